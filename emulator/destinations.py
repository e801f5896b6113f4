"""Where events go: a Knative Destination, resolved to a function, a broker or a plain URL."""

import re
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from emulator.broker.ports import BrokerDestination, Destination, FunctionDestination, UriDestination
from emulator.fields import Fields, invalid

_CLUSTER_HOST = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.cluster\.local)?")


def destination(parent: Fields, name: str, namespace: str) -> Destination:
    """`namespace` is that of the manifest, for a ref without one."""
    fields = parent.fields(name)
    if fields is None:
        raise invalid(parent.at(name), "is missing")
    fields.skip("CACerts", "audience")
    ref, uri = fields.fields("ref"), fields.text("uri")
    fields.finish()
    if ref is None:
        if uri is None:
            raise invalid(fields.path, "needs ref or uri")
        return _from_uri(uri, fields.at("uri"))
    return _with_uri(_from_ref(ref, namespace), uri, fields.at("uri"))


def _from_ref(ref: Fields, namespace: str) -> Destination:
    version, kind = ref.required("apiVersion"), ref.required("kind")
    name, namespace = ref.required("name"), ref.text("namespace") or namespace
    ref.finish()
    if kind == "Service" and version in ("serving.knative.dev/v1", "v1"):
        return FunctionDestination(namespace, name)
    if kind == "Broker" and version == "eventing.knative.dev/v1":
        return BrokerDestination(namespace, name)
    raise invalid(ref.path, f"{version} {kind} is not something that events can be sent to here")


def _with_uri(target: Destination, uri: str | None, path: str) -> Destination:
    if uri is None:
        return target
    try:
        relative, joined = not urlsplit(uri).scheme and not uri.startswith("//"), urljoin("/", uri)
    except ValueError as error:
        raise invalid(path, f"{uri!r} is not a URL") from error
    if not relative:
        raise invalid(path, "must be relative when there is a ref")
    if not isinstance(target, FunctionDestination):
        raise invalid(path, "a Broker has no other paths")
    return replace(target, path=joined)


def _from_uri(uri: str, path: str) -> Destination:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise invalid(path, f"{uri!r} is not a URL") from error
    if parts.scheme not in ("http", "https") or not host:
        raise invalid(path, "must be an absolute http or https URL when there is no ref")
    local = _CLUSTER_HOST.fullmatch(host)
    if local is None:
        return UriDestination(uri)
    name, namespace = local[1], local[2]
    if (name, namespace) == ("broker-ingress", "knative-eventing"):
        return BrokerDestination(*_two(parts.path, path))
    return FunctionDestination(namespace, name, parts.path + (f"?{parts.query}" if parts.query else ""))


def _two(path: str, field: str) -> tuple[str, str]:
    found = path.strip("/").split("/")
    if len(found) != 2:
        raise invalid(field, "a broker's address ends in /<namespace>/<name>")
    return found[0], found[1]
