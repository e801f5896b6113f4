"""`/system/scale-function/<name>` and `/system/alert`: replicas as somebody else decides."""

import json
import math

from emulator.openfaas.call import ACCEPTED, Call, Refused, Reply, bare, error
from emulator.openfaas.platform import Platform
from emulator.revision import Revision


async def scale(platform: Platform, call: Call) -> Reply:
    try:
        body = json.loads(await call.body())
        replicas, namespace = int(body["replicas"]), body.get("namespace") or call.namespace
    except (ValueError, KeyError, TypeError, RecursionError):
        return error(400, "Error unmarshalling request body")
    found = platform.deployments.find(call.path["name"], str(namespace))
    if found is None:
        return bare(404, f"function {call.path['name']} not found")
    if replicas < 0:
        return error(400, "replicas must be 0 or more")
    _, revision = found
    least = 1 if platform.edition == "ce" else 0
    revision.scale_to(max(least, min(replicas, max(1, revision.spec.max_scale))))
    return ACCEPTED


async def alert(platform: Platform, call: Call) -> Reply:
    """As Alertmanager sends it: a firing one steps up by the factor label, a resolved one goes back to the minimum."""
    try:
        body = json.loads(await call.body())
        alerts = [(str(each["status"]), str(each["labels"]["function_name"])) for each in body["alerts"]]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise Refused(bare(400, "Unable to parse alert, bad format.")) from problem
    for status, name in alerts:
        revision = platform.fleet.find(name)
        if revision is None:
            return bare(500, f"function {name[:200]} not found")
        _follow(revision, firing=status == "firing")
    return Reply(200)


def _follow(revision: Revision, *, firing: bool) -> None:
    spec = revision.spec
    factor = spec.labels.get("com.openfaas.scale.factor", "20")
    step = math.ceil(spec.max_scale * (int(factor) if factor.isdecimal() else 20) / 100)
    revision.scale_to(min(spec.max_scale, revision.wanted + step) if firing else max(1, spec.min_scale))
