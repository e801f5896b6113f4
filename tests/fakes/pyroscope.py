"""A Pyroscope that keeps what is pushed, and reads the profiles in it."""

import gzip
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from tests.local_http import asgi, serving


@dataclass(frozen=True)
class Sample:
    """`functions` from the inside out; `labels` of this sample alone."""

    nanoseconds: int
    functions: tuple[str, ...]
    labels: dict[str, str]


@dataclass(frozen=True)
class Profile:
    labels: dict[str, str]
    samples: tuple[Sample, ...]


@dataclass
class Pyroscope:
    url: str = ""
    profiles: list[Profile] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        return [sample for profile in self.profiles for sample in profile.samples]

    async def push(self, request: Request) -> Response:
        assert request.url.path == "/push.v1.PusherService/Push"
        body = await request.body()
        self.profiles += _pushed(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        return Response(b"", media_type="application/proto")


@asynccontextmanager
async def pyroscope_server() -> AsyncIterator[Pyroscope]:
    made = Pyroscope()
    async with serving(asgi(made.push)) as made.url:
        yield made


# PushRequest: 1 series; a series: 1 labels, 2 samples; a raw sample: 1 the profile in pprof's format.


def _pushed(message: bytes) -> Iterator[Profile]:
    for series in _messages(message, 1):
        pairs = [dict(_fields(label)) for label in _messages(series, 1)]
        labels = {_text(pair[1]): _text(pair[2]) for pair in pairs}
        for sample in _messages(series, 2):
            for raw in _messages(sample, 1):
                yield Profile(labels, tuple(_samples(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)))


def _samples(profile: bytes) -> Iterator[Sample]:
    """pprof: 2 samples, 4 locations, 5 functions, 6 strings."""
    strings = [text.decode() for text in _messages(profile, 6)]
    functions = {_number(f[1]): strings[_number(f[2])] for f in map(dict, map(_fields, _messages(profile, 5)))}
    locations = {
        _number(dict(_fields(location))[1]): [
            functions[_number(dict(_fields(line))[1])] for line in _messages(location, 4)
        ]
        for location in _messages(profile, 4)
    }
    for sample in _messages(profile, 2):
        named = [name for location in _numbers(sample, 1) for name in locations[location]]
        labels = [dict(_fields(label)) for label in _messages(sample, 3)]
        pairs = {strings[_number(label[1])]: strings[_number(label[2])] for label in labels if 2 in label}
        yield Sample(_numbers(sample, 2)[0], tuple(named), pairs)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(number, value) of a protobuf message: bytes of what has a length, else a number."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif key & 7 == 2:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        else:
            at += 8 if key & 7 == 1 else 4


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _messages(message: bytes, number: int) -> list[bytes]:
    return [value for found, value in _fields(message) if found == number and isinstance(value, bytes)]


def _numbers(message: bytes, number: int) -> list[int]:
    """Repeated numbers, packed or not."""
    found: list[int] = []
    for name, value in _fields(message):
        if name == number and isinstance(value, int):
            found.append(value)
        elif name == number and isinstance(value, bytes):
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                found.append(one)
    return found


def _number(value: bytes | int) -> int:
    assert isinstance(value, int)
    return value


def _text(value: bytes | int) -> str:
    assert isinstance(value, bytes)
    return value.decode()
