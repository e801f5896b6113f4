"""`POST /v1/traces`: OTLP over HTTP, protobuf or JSON, gzip or not, as its specification answers."""

import asyncio
import zlib
from typing import Final

from emulator.asgi import Header, Receive, Scope, Send, answer
from emulator.telemetry.intake import Intake
from observe import receiving
from observe.receiving import Encoding, Malformed, Received

PATH: Final = b"/v1/traces"
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 16 * 1024 * 1024
BUSY_S: Final = b"2"
_TYPES: Final[dict[bytes, Encoding]] = {b"application/x-protobuf": "protobuf", b"application/json": "json"}
_GZIP: Final = 16 + zlib.MAX_WBITS


class Refused(Exception):
    """Carries status and sentence out of wherever the fault was found."""

    def __init__(self, status: int, sentence: str, *headers: Header) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class Receiver:
    """Large bodies are read in a thread: the loop has a platform to carry."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        encoding = _TYPES.get(media_type, "json")
        try:
            if scope["method"] != "POST":
                raise Refused(405, "traces are sent with POST", (b"allow", b"POST"))
            if media_type not in _TYPES:
                raise Refused(415, "send application/x-protobuf or application/json")
            packing = headers.get(b"content-encoding", b"identity").strip().lower()
            received = await _read(await _body(receive), packing, encoding)
            if not self._intake.take(received.spans, received.left_out):
                raise Refused(503, "more spans come than can be written; send them again", (b"retry-after", BUSY_S))
        except Refused as refused:
            body = receiving.refused(encoding, refused.status, refused.sentence)
            await _answer(send, refused.status, body, encoding, *refused.headers)
        except ConnectionResetError:
            return
        else:
            await _answer(send, 200, receiving.accepted(encoding, received.left_out), encoding)


async def _body(receive: Receive) -> bytes:
    """Raises `Refused` as soon as it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the sender went away")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, f"a body is at most {MAX_BODY_BYTES} bytes: send fewer spans at once")
        if not message.get("more_body", False):
            return bytes(body)


async def _read(body: bytes, packing: bytes, encoding: Encoding) -> Received:
    if packing == b"gzip" or len(body) > 64 * 1024:
        return await asyncio.to_thread(_decoded, body, packing, encoding)
    return _decoded(body, packing, encoding)


def _decoded(body: bytes, packing: bytes, encoding: Encoding) -> Received:
    if packing == b"gzip":
        body = _unpacked(body)
    elif packing != b"identity":
        raise Refused(415, "a body is packed with gzip, or not at all")
    try:
        return receiving.decode_traces(body, encoding)
    except Malformed as exc:
        raise Refused(400, str(exc)) from exc


def _unpacked(body: bytes) -> bytes:
    """Never more than the bound, whatever a small body claims to hold."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(body, MAX_UNPACKED_BYTES)
    except zlib.error as exc:
        raise Refused(400, "the body says that it is gzip, and is not") from exc
    if unpacker.unconsumed_tail:
        raise Refused(413, f"a body is at most {MAX_UNPACKED_BYTES} bytes unpacked: send fewer spans at once")
    if not unpacker.eof:
        raise Refused(400, "the body says that it is gzip, and ends too early")
    if unpacker.unused_data:
        raise Refused(400, "the body says that it is gzip, and goes on after its end")
    return unpacked


async def _answer(send: Send, status: int, body: bytes, encoding: Encoding, *headers: Header) -> None:
    content_type = b"application/json" if encoding == "json" else b"application/x-protobuf"
    # A good answer in protobuf may well be empty, and still has a type.
    extra = () if body else ((b"content-type", content_type),)
    await answer(send, status, body, content_type, *extra, *headers)
