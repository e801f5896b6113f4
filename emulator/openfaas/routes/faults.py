"""`/system/faults`: an extension. Trouble on purpose, on and off again."""

from emulator.faults.fault import EVERY_FUNCTION, parse
from emulator.faults.faults import MOST_FAULTS, TooMany
from emulator.openfaas.call import Call, Reply, as_json
from emulator.openfaas.platform import Platform
from emulator.openfaas.routes.local import invalid, problem, refuse_others
from shared.errors import InvalidInput


async def list_faults(platform: Platform, call: Call) -> Reply:
    refuse_others(call)
    return as_json(200, platform.development.faults.listed())


async def arm(platform: Platform, call: Call) -> Reply:
    refuse_others(call)
    faults = platform.development.faults
    try:
        fault = parse(await call.json())
    except InvalidInput as error:
        return invalid(error)
    if fault.function != EVERY_FUNCTION and platform.fleet.find(fault.function) is None:
        return problem(404, "function_unknown", f"there is no function {fault.function}", "function")
    try:
        name = faults.arm(fault)
    except TooMany:
        return problem(409, "too_many_faults", f"{MOST_FAULTS} faults are on already: call some off first")
    return as_json(201, next(each for each in faults.listed() if each["id"] == name))


async def call_off(platform: Platform, call: Call) -> Reply:
    """`?id=` one of them, else all."""
    refuse_others(call)
    name = call.query.get("id")
    ended = platform.development.faults.call_off(name)
    if name is not None and not ended:
        return problem(404, "fault_unknown", f"there is no fault {name[:100]}", "id")
    return as_json(200, {"off": ended})
