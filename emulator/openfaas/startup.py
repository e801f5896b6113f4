"""Which functions of the manifests run from the start, and as what."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from emulator.manifests import FunctionSpec
from emulator.openfaas.code import startable
from emulator.openfaas.community import Edition, refuse
from shared.errors import InvalidInput

_log = logging.getLogger(__name__)


def at_start(specs: Sequence[FunctionSpec], project: Path, edition: Edition) -> list[tuple[FunctionSpec, FunctionSpec]]:
    """Each as it was written and as it runs. What cannot be deployed yet, or in this edition, is told and left out."""
    found = []
    for spec in specs if edition == "pro" else _community(specs):
        if ready := startable(spec, project):
            found.append((spec, ready))
        else:
            _log.warning("%s is not built yet: faas-cli build --shrinkwrap --filter %s", spec.name, spec.name)
    return found


def _community(specs: Sequence[FunctionSpec]) -> Iterator[FunctionSpec]:
    """There is no zero in Community Edition."""
    taken = 0
    for spec in specs:
        try:
            refuse(spec, taken)
        except InvalidInput as error:
            _log.warning("%s is not deployed: %s", spec.name, error.message)
        else:
            taken += 1
            yield replace(spec, min_scale=max(1, spec.min_scale))
