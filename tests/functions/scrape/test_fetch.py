"""Requests to real servers that misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import Response as Answer

from functions.scrape.fetch import Fetcher, Limits
from functions.scrape.job import tls
from observe import context
from observe.context import TraceContext
from observe.vocabulary import strangers
from shared.errors import Permanent, StageFailure, Transient
from shared.outbound.addresses import Guard
from shared.outbound.network import open_client
from tests.fakes.telemetry import parent_id, recording
from tests.local_http import asgi, closed_port, serving

LOOPBACK = Guard((ip_network("127.0.0.0/8"),))
SMALL = Limits(bytes=100_000, connect_s=1.0, silence_s=0.3, total_s=1.0)


@asynccontextmanager
async def fetching(limits: Limits = SMALL) -> AsyncIterator[Fetcher]:
    context = ssl.create_default_context()
    async with open_client(LOOPBACK, tls=context, user_agent="Test/1") as client:
        yield Fetcher(client, limits)


async def failure(url: str) -> StageFailure:
    async with fetching() as fetcher:
        with pytest.raises(StageFailure) as failed:
            await fetcher.get(url)
    return failed.value


async def test_a_page_comes_as_it_was_sent() -> None:
    async def site(request: Request) -> Answer:
        seen = {name: request.headers.get(name) for name in ("user-agent", "if-none-match", "cookie")}
        return Answer(str(seen), headers={"Set-Cookie": "id=1", "ETag": '"1"'})

    async with serving(asgi(site)) as address, fetching() as fetcher:
        first = await fetcher.get(address + "/", {"If-None-Match": '"0"'})
        second = await fetcher.get(address + "/")
    assert (first.status, first.headers["etag"]) == (200, '"1"')
    assert first.body == b"{'user-agent': 'Test/1', 'if-none-match': '\"0\"', 'cookie': None}"
    assert b"id=1" not in second.body


async def test_an_announced_size_over_the_limit_is_not_read() -> None:
    async def site(request: Request) -> Answer:
        return Answer(b"x" * 200_000)

    async with serving(asgi(site)) as address:
        failed = await failure(address + "/")
    assert (type(failed), failed.code) == (Permanent, "page_too_large")


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """A server that speaks in its own way."""

    guests: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        guests.add(task)
        try:
            await reader.read(65536)
            with suppress(ConnectionError):
                await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await asyncio.wait(guests, timeout=2)


async def test_an_endless_page_is_cut_off_at_the_limit() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with talking(pour) as address:
        failed = await failure(address)
        async with fetching() as fetcher:
            start = await fetcher.get(address, cut_at=20_000)
    assert failed.code == "page_too_large"
    assert 20_000 <= len(start.body) < 100_000


async def test_a_server_that_drips_gains_nothing() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with talking(drip) as address:
        failed = await failure(address)
    assert (type(failed), failed.code) == (Transient, "fetch_timeout")


async def test_a_server_that_falls_silent_is_left() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(silence) as address:
        failed = await failure(address)
    assert (type(failed), failed.code) == (Transient, "fetch_timeout")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"not http at all\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000, "bad_response"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", "bad_response"),
        (b"", "bad_response"),
    ],
)
async def test_an_answer_that_is_not_http_may_be_better_next_time(reply: bytes, code: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()

    async with talking(talk) as address:
        failed = await failure(address)
    assert (type(failed), failed.code) == (Transient, code)


async def test_a_redirect_to_what_is_no_address_is_permanent() -> None:
    async def site(request: Request) -> Answer:
        return Answer(status_code=302, headers={"Location": "javascript:1"})

    async with serving(asgi(site)) as address:
        failed = await failure(address + "/")
    assert (type(failed), failed.code) == (Permanent, "redirect_refused")


async def test_a_name_that_not_every_standard_takes_is_asked_for_as_it_is() -> None:
    async def site(request: Request) -> Answer:
        return Answer(request.headers["host"])

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    tls = ssl.create_default_context()
    async with serving(asgi(site)) as address, open_client(LOOPBACK, tls=tls, user_agent="T/1", resolve=here) as client:
        emoji = address.replace("127.0.0.1", "xn--e28h.example")
        assert (await Fetcher(client, SMALL).get(emoji + "/")).body.decode() == emoji.removeprefix("http://")


async def test_nobody_there_is_transient() -> None:
    failed = await failure(f"http://127.0.0.1:{closed_port()}/")
    assert (type(failed), failed.code) == (Transient, "connection_refused")


async def test_a_server_without_tls_is_told_apart() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with talking(talk) as address:
        failed = await failure(address.replace("http:", "https:"))
    assert (type(failed), failed.code) == (Transient, "tls_failed")


@asynccontextmanager
async def over_tls(folder: Path, name: str, *, expired: bool = False) -> AsyncIterator[tuple[str, Path]]:
    """A server whose certificate, its own authority, says `name`; its address as the host `right.example`."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    _write_certificate(certificate, key, name, expired=expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://right.example:{server.sockets[0].getsockname()[1]}/", certificate


def _write_certificate(certificate: Path, key: Path, name: str, *, expired: bool) -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    subject, today = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, secret.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=9))
        .not_valid_after(today + timedelta(days=-1 if expired else 9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def greeting(url: str, trusted: Path | None) -> bytes:
    context = tls() if trusted is None else ssl.create_default_context(cafile=str(trusted))

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with open_client(LOOPBACK, tls=context, user_agent="T/1", resolve=here) as client:
        return (await Fetcher(client, SMALL).get(url)).body


async def test_a_certificate_that_is_trusted_and_names_the_host_is_taken(tmp_path: Path) -> None:
    async with over_tls(tmp_path, "right.example") as (url, certificate):
        assert await greeting(url, trusted=certificate) == b"hello"


@pytest.mark.parametrize(
    ("name", "trusts", "expired"),
    [("right.example", False, False), ("wrong.example", True, False), ("right.example", True, True)],
    ids=["nobody vouches for it", "another host's", "expired"],
)
async def test_any_other_certificate_is_refused(tmp_path: Path, name: str, trusts: bool, expired: bool) -> None:
    async with over_tls(tmp_path, name, expired=expired) as (url, certificate):
        with pytest.raises(Permanent) as failed:
            await greeting(url, trusted=certificate if trusts else None)
    assert failed.value.code == "tls_certificate_invalid"


async def test_each_request_is_a_span_and_the_site_is_told_nothing_of_it() -> None:
    async def site(request: Request) -> Answer:
        heard.append(request.headers.get("traceparent"))
        path = request.url.path
        return Answer(b"x" * (200_000 if path == "/large" else 100), 404 if path == "/gone" else 200)

    heard: list[str | None] = []
    with recording() as recorded, context.entered(TraceContext("a" * 32, "b" * 16)):
        async with serving(asgi(site)) as address, fetching() as fetcher:
            for path in ("/robots.txt", "/page?key=a-secret&lang=en", "/gone"):
                await fetcher.get(address + path)
            with pytest.raises(Permanent):
                await fetcher.get(address + "/large")
        spans = recorded.spans()
    assert heard == [None] * 4
    assert [span.name for span in spans] == ["robots.txt", "fetch", "fetch", "fetch"]
    told = [dict(span.attributes or {}) for span in spans]
    assert [said["http.response.status_code"] for said in told] == [200, 200, 404, 200]
    assert [said.get("http.response.body.size") for said in told] == [100, 100, 100, None]
    assert [said.get("error.type") for said in told] == [None, None, None, "page_too_large"]
    assert told[1]["url.full"] == f"{address}/page?key=REDACTED&lang=en"
    assert [strangers(said) for said in told] == [{}] * 4
    assert {(parent_id(span), span.kind) for span in spans} == {("b" * 16, SpanKind.CLIENT)}
