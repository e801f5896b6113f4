"""How every process of ours begins: its log first, then its settings."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from observe import logs, profiling, tracing
from observe.redaction import conceal_credentials
from shared.errors import SluiceError

log = logging.getLogger(__name__)


@contextmanager
def starting(service: str) -> Iterator[None]:
    """What is wrong with a setting inside is one line of the log and exit status 1: a traceback would hide it."""
    logs.setup(service)
    conceal_credentials(os.environ)
    tracing.setup(service, os.environ)
    profiling.setup(service, os.environ)
    try:
        yield
    except SluiceError as exc:
        log.critical("cannot start: %s", exc.message, extra={"code": exc.code, "field": exc.field})
        sys.exit(1)
