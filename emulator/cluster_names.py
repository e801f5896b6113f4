"""The names that a cluster's DNS gives to functions and brokers, in the `Host` of a request to our port."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.asgi import Scope

# A function with this annotation is told to ask us for plain HTTP, so that its code may use the names of the cluster.
ANNOTATION = "dev.sluice/cluster-names"
SUFFIXES = (b".svc.cluster.local", b".svc")
_NAME = re.compile(rb"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?")
_INGRESS = (b"broker-ingress", b"knative-eventing")


class Elsewhere(Exception):
    """A host that is no name of the cluster."""


@dataclass(frozen=True, slots=True)
class ClusterName:
    name: str
    namespace: str
    is_ingress: bool = False


def cluster_name(scope: Scope) -> ClusterName | None:
    """None for every other host, unless we were asked as a proxy for it: then raises `Elsewhere`."""
    host, proxied = b"", False
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.partition(b":")[0].lower()
        proxied = proxied or name == b"proxy-authorization"
    if (proxied or host.endswith(SUFFIXES)) and (found := _NAME.fullmatch(host)) is not None:
        return ClusterName(found[1].decode(), found[2].decode(), found.groups() == _INGRESS)
    if proxied:
        raise Elsewhere(host.decode("latin-1"))
    return None


def proxy_variables(annotations: Mapping[str, str], base_url: str) -> Mapping[str, str]:
    """What makes the usual clients send plain HTTP to us; other schemes go where they went.

    The user and password in the address have them say so with every request: we never answer in another host's place.
    """
    if annotations.get(ANNOTATION) != "true":
        return {}
    asked = base_url.replace("://", "://cluster:names@", 1)
    return {"http_proxy": asked, "no_proxy": "127.0.0.1,localhost,::1"}
