"""Reads all there is to look at. What cannot be read is a finding, and the rest is read on."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator import eventing
from emulator.eventing import Broker, PingSource, Trigger
from emulator.fields import documents
from emulator.knative.functions import is_service, manifest_files
from emulator.knative.references import Holders
from emulator.knative.service import read_service
from emulator.lint.findings import Finding, Said
from emulator.lint.sources import (
    BrokerSource,
    PingSourceSource,
    ServiceSource,
    Sources,
    StackFunction,
    TriggerSource,
    mapping,
)
from emulator.manifests import CLASS_LABEL, load_yaml, read_stack
from emulator.openfaas.community import Edition
from emulator.project import classes_beside
from shared.errors import InvalidInput

INVALID = "manifest-invalid"


@dataclass
class _Read:
    """What was read so far."""

    findings: list[Finding] = field(default_factory=list)
    holders: Holders = field(default_factory=Holders)
    stack: list[StackFunction] = field(default_factory=list)
    services: list[ServiceSource] = field(default_factory=list)
    brokers: list[BrokerSource] = field(default_factory=list)
    triggers: list[TriggerSource] = field(default_factory=list)
    pings: list[PingSourceSource] = field(default_factory=list)

    @contextmanager
    def noting(self, file: Path, subject: str = "") -> Iterator[None]:
        """What is wrong inside becomes a finding."""
        try:
            yield
        except InvalidInput as error:
            self._note(file, subject, error.field or "", error.message)
        except (OSError, UnicodeDecodeError) as error:
            self._note(file, subject, "", f"cannot be read: {error}")

    def _note(self, file: Path, subject: str, at: str, message: str) -> None:
        self.findings.append(Finding(INVALID, "error", Said(str(file), subject, at, message)))


def read(
    stack_file: Path | None,
    manifests_dir: Path | None,
    edition: Edition = "pro",
    variables: Mapping[str, str] = os.environ,
) -> tuple[Sources, list[Finding]]:
    found = _Read()
    if stack_file is not None:
        with found.noting(stack_file):
            found.stack += _stack(stack_file, variables)
            _check(stack_file, variables)
    if manifests_dir is not None:
        _manifests(found, manifests_dir)
    sources = Sources(
        edition=edition,
        stack=tuple(found.stack),
        services=tuple(found.services),
        brokers=tuple(found.brokers),
        triggers=tuple(found.triggers),
        pings=tuple(found.pings),
        flags=found.holders.flags(),
    )
    return sources, found.findings


def _stack(file: Path, variables: Mapping[str, str]) -> list[StackFunction]:
    functions = mapping(load_yaml(file, variables).get("functions"))
    beside = classes_beside(file)
    given = load_yaml(beside, {}) if beside is not None else {}
    classes = mapping(given.get("classes", given))
    found = []
    for name, body in functions.items():
        label = str(mapping(mapping(body).get("labels")).get(CLASS_LABEL))
        found.append(StackFunction(str(file), str(name), mapping(body), mapping(classes.get(label))))
    return found


def _check(stack_file: Path, variables: Mapping[str, str]) -> None:
    """What to run may be left to a template: only the emulator must be told."""
    try:
        read_stack(stack_file, classes_beside(stack_file), variables)
    except InvalidInput as error:
        if error.code != "fprocess_missing":
            raise


def _manifests(found: _Read, folder: Path) -> None:
    manifests: list[tuple[Path, dict[str, Any]]] = []
    for file in manifest_files(folder):
        with found.noting(file):
            manifests += [(file, each) for each in documents(file.read_text("utf-8")) if isinstance(each, dict)]
    for file, manifest in manifests:
        with found.noting(file, _subject(manifest)):
            if manifest.get("apiVersion") == "v1" and manifest.get("kind") in ("ConfigMap", "Secret"):
                found.holders.add(manifest)
    for file, manifest in manifests:
        with found.noting(file, _subject(manifest)):
            _one(found, str(file), manifest)


def _one(found: _Read, file: str, manifest: dict[str, Any]) -> None:
    if is_service(manifest):
        found.services.append(ServiceSource(file, manifest, read_service(manifest, found.holders)))
        return
    match eventing.read_one(manifest):
        case Broker() as broker:
            found.brokers.append(BrokerSource(file, manifest, broker))
        case Trigger() as trigger:
            found.triggers.append(TriggerSource(file, manifest, trigger))
        case PingSource() as ping:
            found.pings.append(PingSourceSource(file, ping))
        case None:
            pass


def _subject(manifest: Mapping[str, Any]) -> str:
    meta = mapping(manifest.get("metadata"))
    return f"{manifest.get('kind')} {meta.get('namespace') or 'default'}/{meta.get('name')}"
