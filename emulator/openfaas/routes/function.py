"""`/system/function/<name>`: one function."""

from emulator.openfaas.call import Call, Reply, as_json
from emulator.openfaas.function_status import one
from emulator.openfaas.platform import Platform


async def get(platform: Platform, call: Call) -> Reply:
    found = platform.deployments.find(call.path["name"], call.namespace)
    if found is None:
        return Reply(404)
    return as_json(200, one(platform, *found, usage=call.query.get("usage") in ("1", "true")))
