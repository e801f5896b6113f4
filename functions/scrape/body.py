"""From the bytes on the wire to the text of a page. Every step is bounded: a page may be written by an enemy."""

import codecs
import io
import re
import zlib
from collections.abc import Callable

from shared.errors import Permanent, Transient

MAX_BYTES = 10 * 1024 * 1024
MAX_ENCODINGS = 2
# What a page of repeated markup may reach; a bomb is a hundred times beyond it.
MAX_RATIO = 200
RATIO_FLOOR_BYTES = 1024 * 1024
DETECT_BYTES = 64 * 1024

_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([a-z0-9_:.-]{2,40})", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?([a-z0-9_:.-]{2,40})", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Browsers read these labels as their supersets; so did whoever wrote the page.
_SUPERSETS = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "windows-1252": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "big5": "big5hkscs",
    "x-gbk": "gb18030",
    "utf8": "utf-8",
}


def unpack(body: bytes, content_encoding: str | None, limit: int = MAX_BYTES) -> bytes:
    """Undoes the Content-Encoding. Raises `Permanent` page_too_large, compression_bomb or unsupported_encoding."""
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > MAX_ENCODINGS:
        raise Permanent("unsupported_encoding", "the page is compressed more than twice")
    for name in reversed(names):
        body = _unpack(body, name, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int = MAX_BYTES) -> Permanent:
    return Permanent("page_too_large", f"the page is over the limit of {limit // (1024 * 1024)} MiB")


def decode(body: bytes, content_type: str | None) -> str:
    """Text of a page, whatever its labels say: byte order mark, header, `meta`, then a look at the bytes."""
    for bom, name in _BOMS:
        if body.startswith(bom):
            return _clean(body[len(bom) :].decode(name, "replace"))
    labels = [_label(label) for label in (_header_label(content_type), _meta_label(body)) if label]
    # Valid UTF-8 that is not plain ASCII is UTF-8, even where a label says otherwise.
    candidates = (labels if _is_wide(labels) else ["utf-8", *labels]) or ["utf-8"]
    for name in candidates:
        try:
            return _clean(body.decode(name))
        except (UnicodeDecodeError, LookupError):
            continue
    return _clean(_guess(body, labels))


def _unpack(body: bytes, name: str, limit: int) -> bytes:
    try:
        unpacked = _UNPACKERS[name](body, limit + 1)
    except KeyError:
        raise Permanent("unsupported_encoding", "the page is compressed in a way that was not asked for") from None
    except Permanent:
        raise
    except Exception as exc:
        raise Transient("bad_compression", "the page's compressed data is damaged") from exc
    if len(unpacked) > RATIO_FLOOR_BYTES and len(unpacked) > MAX_RATIO * len(body):
        raise Permanent("compression_bomb", f"the page unpacks to more than {MAX_RATIO} times its size")
    if len(unpacked) > limit:
        raise too_large(limit)
    return unpacked


def _gzip(body: bytes, size: int) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(body, size)


def _deflate(body: bytes, size: int) -> bytes:
    """Some servers send zlib's format, as they should; some the bare one."""
    try:
        return zlib.decompressobj().decompress(body, size)
    except zlib.error:
        return zlib.decompressobj(wbits=-15).decompress(body, size)


def _brotli(body: bytes, size: int) -> bytes:
    import brotli  # noqa: PLC0415

    unpacker = brotli.Decompressor()
    parts = [unpacker.process(body, output_buffer_limit=size)]
    while not unpacker.is_finished() and sum(map(len, parts)) < size:
        part = unpacker.process(b"", output_buffer_limit=size)
        if not part:
            break
        parts.append(part)
    return b"".join(parts)[:size]


def _zstd(body: bytes, size: int) -> bytes:
    import zstandard  # noqa: PLC0415

    unpacker = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024)
    reader = unpacker.stream_reader(io.BytesIO(body), read_across_frames=True)
    parts, left = [], size
    while left and (part := reader.read(min(left, RATIO_FLOOR_BYTES))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def _header_label(content_type: str | None) -> str | None:
    found = _HEADER.search(content_type or "")
    return found[1] if found else None


def _meta_label(body: bytes) -> str | None:
    found = _META.search(body, 0, 4096)
    label = found[1].decode("ascii").lower() if found else None
    # A meta element that could be read at all is not in UTF-16.
    return "utf-8" if label and label.startswith("utf-16") else label


def _label(label: str) -> str:
    return _SUPERSETS.get(label.lower(), label.lower())


def _is_wide(labels: list[str]) -> bool:
    """Encodings whose bytes can pass for valid UTF-8 although they are not."""
    return bool(labels) and labels[0].startswith(("utf-16", "utf-32", "iso-2022", "hz"))


def _guess(body: bytes, labels: list[str]) -> str:
    text = body.decode("utf-8", "replace")
    damaged = text.count("�")
    if damaged * 20 <= sum(not char.isascii() for char in text[:200_000]):
        return text
    from charset_normalizer import from_bytes  # noqa: PLC0415

    best = from_bytes(body[:DETECT_BYTES]).best()
    for name in (best.encoding if best else None, *labels, "cp1252"):
        try:
            return body.decode(name or "cp1252", "replace")
        except LookupError:
            continue
    return text


def _clean(text: str) -> str:
    return text.replace("\x00", "").removeprefix("\ufeff")
