"""The namespaces that functions may be in: the usual one, those of the stack file, and those made since."""

from collections.abc import Iterable
from dataclasses import dataclass

from emulator.manifests import DEFAULT_NAMESPACE
from emulator.openfaas.state import Json, State, StateFile


@dataclass(frozen=True)
class Namespace:
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]

    def to_json(self) -> Json:
        return {"name": self.name, "labels": self.labels, "annotations": self.annotations}


class Namespaces:
    def __init__(self, state: State, file: StateFile, given: Iterable[str]) -> None:
        self._state = state
        self._file = file
        self._given = {DEFAULT_NAMESPACE, *given}

    def names(self) -> list[str]:
        """The usual one first."""
        others = sorted((self._given | set(self._state.namespaces)) - {DEFAULT_NAMESPACE})
        return [DEFAULT_NAMESPACE, *others]

    def __contains__(self, name: object) -> bool:
        return name in self._given or name in self._state.namespaces

    def get(self, name: str) -> Namespace:
        kept = self._state.namespaces.get(name, {"labels": {"openfaas": "1"}, "annotations": {"openfaas": "1"}})
        return Namespace(name, kept["labels"], kept["annotations"])

    def put(self, namespace: Namespace) -> None:
        self._state.namespaces[namespace.name] = namespace.to_json()
        self._file.write(self._state)

    def given(self, name: str) -> bool:
        """It cannot be removed: the manifests name it."""
        return name in self._given

    def remove(self, name: str) -> None:
        del self._state.namespaces[name]
        self._file.write(self._state)
