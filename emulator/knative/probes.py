"""Probes of a container: one way of asking, on the port that takes the requests."""

from emulator.fields import Fields, invalid
from emulator.knative.notices import Notices

_WAYS = ("httpGet", "tcpSocket", "exec", "grpc")
_TIMES = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold")


def ready_path(container: Fields, port: int | None, port_name: str, notices: Notices) -> str | None:
    """Where readiness is asked by HTTP; None: a connection is enough."""
    ports = (None, 0, "", port if port is not None else 8080, port_name or "user-port")
    for name in ("livenessProbe", "startupProbe"):
        _probe(container, name, ports, Notices())
    return _probe(container, "readinessProbe", ports, notices)


def _probe(container: Fields, name: str, ports: tuple[object, ...], notices: Notices) -> str | None:
    probe = container.fields(name)
    if probe is None:
        return None
    for time in _TIMES:
        probe.whole(time)
    given = [way for way in _WAYS if probe.has(way)]
    if len(given) > 1:
        raise invalid(probe.path, f"expected exactly one, got: {', '.join(given)}")
    asked = probe.fields(given[0]) if given else None
    probe.skip(*_WAYS)
    probe.finish()
    if asked is None:
        return None
    return _asked(asked, given[0], ports, notices)


def _asked(asked: Fields, way: str, ports: tuple[object, ...], notices: Notices) -> str | None:
    if way == "exec":
        asked.words("command")
        notices.absent(asked.path, "is not run: readiness is a connection to the port")
    elif asked.value("port") not in ports:
        raise invalid(asked.at("port"), "must be the container's own port, or left out")
    path = asked.text("path") if way == "httpGet" else None
    asked.skip("host", "httpHeaders", "scheme", "service")
    asked.finish()
    if way == "grpc":
        notices.absent(asked.path, "is not spoken: readiness is a connection to the port")
    return (path or "/") if way == "httpGet" else None
