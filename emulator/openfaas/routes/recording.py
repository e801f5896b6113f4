"""`/system/recording`: an extension. Keeps what passes, from now until it is told to stop."""

from emulator.openfaas.call import Call, Reply, as_json
from emulator.openfaas.platform import Platform
from emulator.openfaas.routes.local import invalid, problem, refuse_others
from emulator.recording.recorder import DEFAULT_MB
from shared.errors import InvalidInput, SluiceError


async def status(platform: Platform, call: Call) -> Reply:
    refuse_others(call)
    return as_json(200, platform.development.recorder.status())


async def start(platform: Platform, call: Call) -> Reply:
    refuse_others(call)
    body = await call.json()
    name, functions, max_mb = body.get("name", ""), body.get("functions", []), body.get("max_mb", DEFAULT_MB)
    if not isinstance(name, str):
        return problem(400, "name_invalid", "name must be text", "name")
    if not isinstance(functions, list) or not all(isinstance(each, str) for each in functions):
        return problem(400, "functions_invalid", "functions must be a list of names", "functions")
    if not isinstance(max_mb, int) or isinstance(max_mb, bool):
        return problem(400, "size_invalid", "max_mb must be a whole number", "max_mb")
    keys = [each.removesuffix(".openfaas-fn") for each in functions]
    if unknown := [each for each in keys if platform.fleet.find(each) is None]:
        return problem(404, "function_unknown", f"there is no function {unknown[0][:100]}", "functions")
    try:
        return as_json(201, platform.development.recorder.start(name, keys, max_mb))
    except InvalidInput as error:
        return invalid(error)
    except SluiceError as error:
        return problem(409, error.code, error.message)


async def stop(platform: Platform, call: Call) -> Reply:
    refuse_others(call)
    return as_json(200, platform.development.recorder.stop())
