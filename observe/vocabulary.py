"""Every attribute that a span of ours may have: our own closed list, and standard ones by their standard names."""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from observe.redaction import TELLING_PARAMETER

Value: TypeAlias = "str | int | float | bool"

# What the source documents fixed: a dashboard, a query and a log line say the same by the same word.
Own: TypeAlias = Literal[
    "job.id",
    "job.url",
    "job.stage",
    "queue.name",
    "operation",
    "request.mode",
    "corpus.name",
    "embedding.model",
    "embedding.tokens",
    "search.top_k",
    "caller.type",
    "http.request_id",
    "failed.stage",
]
# OpenTelemetry's semantic conventions, as far as we have something to say.
Standard: TypeAlias = Literal[
    "cloudevents.event_id",
    "cloudevents.event_source",
    "cloudevents.event_type",
    "db.collection.name",
    "db.operation.batch.size",
    "db.operation.name",
    "db.query.summary",
    "db.system.name",
    "error.type",
    "faas.coldstart",
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.usage.input_tokens",
    "http.request.method",
    "http.request.resend_count",
    "http.response.body.size",
    "http.response.status_code",
    "http.route",
    "messaging.batch.message_count",
    "messaging.destination.name",
    "messaging.operation.type",
    "messaging.system",
    "pyroscope.profile.id",
    "server.address",
    "server.port",
    "url.full",
    "url.path",
]
Name: TypeAlias = Own | Standard
Attributes: TypeAlias = Mapping[Name, Value]
# What a whole process is: https://opentelemetry.io/docs/specs/semconv/resource/.
Resource: TypeAlias = Literal[
    "service.name", "service.namespace", "service.version", "service.instance.id", "deployment.environment"
]

OWN: Final = frozenset[str](get_args(Own))
NAMES: Final = OWN | frozenset[str](get_args(Standard))
RESOURCE: Final = frozenset[str](get_args(Resource))

# Whatever is not here may have any value.
VALUES: Final[Mapping[str, frozenset[str]]] = {
    "job.stage": frozenset({"scrape", "chunk", "embed", "read"}),
    "operation": frozenset({"read", "write"}),
    "request.mode": frozenset({"sync", "async"}),
    "caller.type": frozenset({"user", "service", "unknown"}),
    "failed.stage": frozenset({"scraping", "chunking", "embedding"}),
}


_TELLING: Final = re.compile(f"({TELLING_PARAMETER})[^&#;]*")
# Up to the last @: a password may hold one.
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#]*@")
MAX_URL_CHARS: Final = 2048


def clean(url: str) -> str:
    """An address as it may be told: without user and password, and without the values of what is called a secret."""
    return _TELLING.sub(r"\1REDACTED", _USER_INFO.sub("", url))[:MAX_URL_CHARS]


def strangers(attributes: Mapping[str, object]) -> dict[str, object]:
    """Those that the vocabulary does not know, by name or by value: a test finds none."""
    return {
        name: value
        for name, value in attributes.items()
        if name not in NAMES or (name in VALUES and value not in VALUES[name])
    }
