"""Requests that we send: a span each, and the header that lets one of our own processes go on with the trace."""

from urllib.parse import urlsplit

from observe import context, tracing
from observe.span import Span
from observe.vocabulary import Name, Value, clean


def sending(name: str, method: str, url: str) -> Span:
    """Set `http.response.status_code` when it is known."""
    parts = urlsplit(url)
    attributes: dict[Name, Value] = {
        "http.request.method": method,
        "url.full": clean(url),
        "server.address": parts.hostname or "",
    }
    return tracing.span(name, attributes, kind="client")


def carried() -> dict[str, str]:
    """For requests within the platform only: the sites that we read are told nothing of us."""
    here = context.current()
    return {} if here is None else {"traceparent": here.format()}
