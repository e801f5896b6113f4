"""HTTP to addresses that manifests and callers name."""

import aiohttp

# Shorter than any server's own, so that we never write into a connection that its other end just gave up.
KEEP_ALIVE_S = 1.5


def open_session() -> aiohttp.ClientSession:
    """Passes everything on as it is: no redirects, cookies, decompression, headers or time limits of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        max_line_size=65_536,
        max_field_size=65_536,
    )
