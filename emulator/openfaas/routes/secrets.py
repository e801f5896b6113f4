"""`/system/secrets`: names are listed, values only ever come in."""

import base64
from collections.abc import Mapping
from typing import Any

from emulator.manifests import DEFAULT_NAMESPACE
from emulator.openfaas.call import ACCEPTED, Call, Refused, Reply, as_json, error, text_of
from emulator.openfaas.platform import Platform
from emulator.secret_files import is_name


async def list_secrets(platform: Platform, call: Call) -> Reply:
    namespace = _known(platform, call.namespace)
    return as_json(200, [{"name": name, "namespace": namespace} for name in platform.secrets.names(namespace)])


async def create(platform: Platform, call: Call) -> Reply:
    body = await call.json()
    namespace, name = _named(platform, call, body)
    if platform.secrets.find(namespace, name) is not None:
        return Reply(409)
    platform.secrets.write(namespace, name, _value(body))
    return ACCEPTED


async def update(platform: Platform, call: Call) -> Reply:
    body = await call.json()
    namespace, name = _named(platform, call, body)
    if platform.secrets.find(namespace, name) is None:
        return Reply(404)
    platform.secrets.write(namespace, name, _value(body))
    return ACCEPTED


async def remove(platform: Platform, call: Call) -> Reply:
    namespace, name = _named(platform, call, await call.json())
    if platform.secrets.find(namespace, name) is None:
        return Reply(404)
    platform.secrets.remove(namespace, name)
    return ACCEPTED


def _named(platform: Platform, call: Call, body: Mapping[str, Any]) -> tuple[str, str]:
    name = text_of(body, "name")
    if not is_name(name):
        raise Refused(error(400, f"{name[:100]!r} cannot be the name of a secret"))
    asked = text_of(body, "namespace") or call.query.get("namespace") or DEFAULT_NAMESPACE
    return _known(platform, asked), name


def _known(platform: Platform, namespace: str) -> str:
    if namespace not in platform.namespaces:
        raise Refused(error(400, f"namespace must be: {', '.join(platform.namespaces.names())}"))
    return namespace


def _value(body: Mapping[str, Any]) -> bytes:
    """The CLI sends a file both trimmed as text and whole as base64: the latter counts."""
    raw = text_of(body, "rawValue")
    try:
        return base64.b64decode(raw, validate=True) if raw else text_of(body, "value").encode()
    except ValueError as problem:
        raise Refused(error(400, "rawValue must be base64")) from problem
