"""Bytes on the wire become text, whatever their sender did."""

import gzip
import time
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from functions.scrape.body import MAX_BYTES, decode, unpack
from shared.errors import Permanent, Transient

TEXT = "Grüße aus Köln, こんにちは".encode()


def bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda content: brotli.compress(content, quality=1),
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("name", PACKERS)
def test_each_compression_is_undone(name: str) -> None:
    assert unpack(PACKERS[name](TEXT), name) == TEXT
    assert unpack(PACKERS[name](b""), name) == b""


def test_odd_but_honest_compressions_are_undone() -> None:
    assert unpack(bare_deflate(TEXT), "deflate") == TEXT
    assert unpack(brotli.compress(gzip.compress(TEXT)), "gzip, br") == TEXT
    assert unpack(TEXT, "identity") == TEXT
    assert unpack(TEXT, None) == TEXT


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_is_refused_before_it_goes_off(name: str) -> None:
    bomb = PACKERS[name](b"\x00" * (40 * 1024 * 1024))
    started = time.process_time()
    with pytest.raises(Permanent) as refused:
        unpack(bomb, name)
    assert refused.value.code in ("compression_bomb", "page_too_large")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("name", PACKERS)
def test_damaged_data_may_be_whole_next_time(name: str) -> None:
    with pytest.raises(Transient) as refused:
        unpack(b"not compressed at all", name)
    assert refused.value.code == "bad_compression"


@pytest.mark.parametrize("name", ["compress", "gzip, gzip, gzip", "x"])
def test_other_compressions_are_refused(name: str) -> None:
    with pytest.raises(Permanent) as refused:
        unpack(b"", name)
    assert refused.value.code == "unsupported_encoding"


def test_a_page_over_the_limit_is_refused() -> None:
    assert len(unpack(b"x" * MAX_BYTES, None)) == MAX_BYTES
    with pytest.raises(Permanent) as refused:
        unpack(b"x" * (MAX_BYTES + 1), None)
    assert refused.value.code == "page_too_large"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Grüße".encode(), "text/html; charset=utf-8", "Grüße"),
        ("Grüße".encode("cp1252"), "text/html; charset=ISO-8859-1", "Grüße"),
        ("“Grüße”".encode("cp1252"), "text/html; charset=latin1", "“Grüße”"),
        ("Grüße".encode(), "text/html; charset=iso-8859-1", "Grüße"),
        ("Grüße".encode(), "text/html; charset=nonsense", "Grüße"),
        ("\ufeffGrüße".encode("utf-16-le"), "text/html", "Grüße"),
        ("\ufeffGrüße".encode("utf-16-be"), "text/html; charset=utf-8", "Grüße"),
        ("\ufeffGrüße".encode(), None, "Grüße"),
        ("<meta charset='shift_jis'>こんにちは".encode("cp932"), "text/html", "<meta charset='shift_jis'>こんにちは"),
        ("日本語".encode("iso-2022-jp"), "text/html; charset=ISO-2022-JP", "日本語"),
        ("Привет, мир, как дела сегодня".encode("cp1251"), 'text/html; charset="windows-1251"', None),
        (b"a\x00b", "text/html", "ab"),
    ],
)
def test_text_is_read_in_the_encoding_it_is_written_in(body: bytes, content_type: str | None, text: str | None) -> None:
    assert decode(body, content_type) == (text or "Привет, мир, как дела сегодня")


def test_an_encoding_nobody_stated_is_guessed() -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20
    assert decode(text.encode("cp1251"), "text/html") == text


def test_a_few_damaged_bytes_do_not_change_the_encoding() -> None:
    body = ("Grüße und mehr " * 200).encode() + b"\xff" + b"Ende"
    assert decode(body, "text/html; charset=utf-8").startswith("Grüße und mehr")


@pytest.mark.parametrize("body", [b"\xff" * 1000, bytes(range(256)) * 10, b"\xfe\xff\x00"])
def test_any_bytes_become_some_text(body: bytes) -> None:
    assert isinstance(decode(body, "text/html; charset=utf-8"), str)
