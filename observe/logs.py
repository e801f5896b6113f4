"""JSON log lines: one object a line, for people with `jq` and for Loki."""

import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType

from observe import context
from observe.redaction import redacted
from observe.unseen import escaped

log = logging.getLogger(__name__)

FIELDS = (
    "job_id",
    "document_id",
    "stage",
    "trace_id",
    "request_id",
    "queue",
    "code",
    "field",
    "seconds",
    "count",
    "action",
    "caller_id",
    "subject",
    "detail",
)

# Where a message gets its values, and what libraries put in before we see it.
_VARIES = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]|\S*(?:\d|://|@)\S*")
_NOT_A_WORD = re.compile(r"[^a-z]+")
_LONGEST_ACTION = 80
# A name stands at the beginning, and the search for what differs takes as long as a word's length squared.
_READ_FOR_ACTION = 500


class JsonFormatter(logging.Formatter):
    """Writes the message and those `extra` fields that the vocabulary knows; anything else stays out of the log."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "action": action_of(redacted(str(record.msg))),
        }
        line |= _whereabouts()
        line |= {name: _told(value) for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["stack"] = redacted(self.formatException(record.exc_info))
        return escaped(json.dumps(line, ensure_ascii=False))


def action_of(message: object) -> str:
    """The name of an event: its message without what differs from one time to the next."""
    return _NOT_A_WORD.sub("_", _VARIES.sub("", str(message)[:_READ_FOR_ACTION]).lower()).strip("_")[:_LONGEST_ACTION]


def _told(value: object) -> object:
    """As JSON may hold it."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {redacted(str(key)): _told(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_told(each) for each in value]
        case _:
            return redacted(str(value))


def _whereabouts() -> dict[str, object]:
    """The trace of the work in hand, and its job: on every line, whoever writes it."""
    found: dict[str, object] = {}
    if (trace := context.current()) is not None:
        found["trace_id"] = trace.trace_id
    if (job_id := context.about().get("job.id")) is not None:
        found["job_id"] = job_id
    return found


def setup(service: str, level: int = logging.INFO) -> None:
    """Sends every logger of this process to standard error, as JSON, and what Python would write there by itself."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpx2", "httpcore", "rq", "openai", "trafilatura", "htmldate"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, exc, trace)
    else:
        log.critical("ended by an exception that nobody caught", exc_info=(kind, exc, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        log.error("a thread ended by an exception", exc_info=args.exc_value)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    log.error("an exception where nobody can catch one", exc_info=args.exc_value)
