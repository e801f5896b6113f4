"""One container of a Service."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.fields import Fields, invalid
from emulator.knative.environment import Reading, environment
from emulator.knative.probes import ready_path
from emulator.knative.quantities import Resources, resources

_PORT_NAMES = ("", "http1", "h2c", "user-port")
_SECURITY = ("allowPrivilegeEscalation", "capabilities", "privileged", "readOnlyRootFilesystem")
_SECURITY_OF_USER = ("runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile")


@dataclass(frozen=True)
class Container:
    """`field` is its path; `serves`: it names a port. `ready_path` None: a connection to the port is enough."""

    field: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    environment: Mapping[str, str]
    serves: bool
    ready_path: str | None
    resources: Resources


def container(fields: Fields, reading: Reading) -> Container:
    fields.skip("name", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts")
    ports = fields.each("ports")
    port, port_name = _port(ports, fields.at("ports"), reading)
    found = Container(
        field=fields.path,
        image=fields.required("image"),
        command=fields.words("command"),
        args=fields.words("args"),
        environment=environment(fields, reading),
        serves=bool(ports),
        ready_path=ready_path(fields, port, port_name, reading.notices),
        resources=resources(fields),
    )
    if fields.text("workingDir"):
        reading.notices.absent(fields.at("workingDir"), "is a folder of the image, which is not here")
    _security(fields)
    fields.finish()
    return found


def _port(ports: list[Fields], path: str, reading: Reading) -> tuple[int | None, str]:
    if not ports:
        return None, ""
    if len(ports) > 1:
        raise invalid(path, "more than one container port is set: only one is allowed")
    given = ports[0]
    number, name = given.whole("containerPort"), given.text("name") or ""
    if number is not None and not 1 <= number <= 65535:
        raise invalid(given.at("containerPort"), f"expected 1 <= {number} <= 65535")
    if name not in _PORT_NAMES:
        raise invalid(given.at("name"), f"port name {name} is not allowed: h2c or http1")
    if name == "h2c":
        reading.notices.absent(given.at("name"), "requests are passed on by HTTP/1.1 only")
    given.choice("protocol", ("TCP",))
    given.finish()
    return number, name


def _security(fields: Fields) -> None:
    inner = fields.fields("securityContext")
    if inner is not None:
        inner.skip(*_SECURITY, *_SECURITY_OF_USER)
        inner.finish()
