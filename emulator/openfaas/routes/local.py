"""Who may use what is for the developer of this machine alone."""

import ipaddress

from emulator.openfaas.call import Call, Refused, Reply, as_json
from shared.errors import InvalidInput


def refuse_others(call: Call) -> None:
    """Raises `Refused` unless the request comes from this machine."""
    client = call.scope.get("client")
    try:
        local = client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        local = False
    if not local:
        raise Refused(problem(403, "local_only", "this is for requests from this machine alone"))


def problem(status: int, code: str, message: str, field: str | None = None) -> Reply:
    return as_json(status, {"error": code, "message": message, **({"field": field} if field else {})})


def invalid(error: InvalidInput) -> Reply:
    return problem(400, error.code, error.message, error.field)
