"""`/system/namespaces` and `/system/namespace/<name>`."""

import re
from collections.abc import Mapping
from typing import Any

from emulator.openfaas.call import ACCEPTED, METHOD_NOT_ALLOWED, Call, Refused, Reply, as_json, error, text_of
from emulator.openfaas.namespaces import Namespace
from emulator.openfaas.platform import Platform

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


async def list_namespaces(platform: Platform, call: Call) -> Reply:
    return as_json(200, platform.namespaces.names())


async def create(platform: Platform, call: Call) -> Reply:
    _allowed(platform)
    body = await call.json()
    name = text_of(body, "name") or call.path.get("name", "")
    if not _NAME.fullmatch(name):
        return error(400, f"{name[:100]!r} cannot be the name of a namespace")
    if name in platform.namespaces:
        return error(409, f"namespace {name} already exists")
    platform.namespaces.put(_namespace(name, body))
    return Reply(201)


async def get(platform: Platform, call: Call) -> Reply:
    return as_json(200, platform.namespaces.get(_known(platform, call)).to_json())


async def update(platform: Platform, call: Call) -> Reply:
    _allowed(platform)
    name = _known(platform, call)
    platform.namespaces.put(_namespace(name, await call.json()))
    return ACCEPTED


async def remove(platform: Platform, call: Call) -> Reply:
    """With its functions and secrets."""
    _allowed(platform)
    name = _known(platform, call)
    if platform.namespaces.given(name):
        return error(400, f"namespace {name} cannot be removed")
    for key in [key for key, record in platform.deployments.records.items() if record.namespace == name]:
        platform.deployments.remove(key)
    for secret in platform.secrets.names(name):
        platform.secrets.remove(name, secret)
    platform.namespaces.remove(name)
    return ACCEPTED


def _allowed(platform: Platform) -> None:
    if platform.edition == "ce":
        raise Refused(METHOD_NOT_ALLOWED)


def _known(platform: Platform, call: Call) -> str:
    name = call.path["name"]
    if name not in platform.namespaces:
        raise Refused(error(404, f"namespace {name[:100]} not found"))
    return name


def _namespace(name: str, body: Mapping[str, Any]) -> Namespace:
    return Namespace(name, _strings(body, "labels"), _strings(body, "annotations"))


def _strings(body: Mapping[str, Any], key: str) -> dict[str, str]:
    value = body.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise Refused(error(400, f"{key} must be an object of texts"))
    return value
