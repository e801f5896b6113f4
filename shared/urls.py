"""URLs as browsers read them (the WHATWG standard), and which of them we take."""

import ada_url

from shared.errors import InvalidInput, TooLarge

MAX_URL_CHARS = 2048


def normalise(url: str, base: str | None = None) -> str:
    """The one spelling of a page's address, without its fragment; `base` resolves a relative one.

    Raises `InvalidInput` with code url_invalid, url_scheme, url_credentials or url_port, `TooLarge` with url_too_long.
    No message repeats the URL.
    """
    if len(url) > MAX_URL_CHARS:
        raise _too_long()
    parsed = _parse(url, base)
    if parsed.protocol not in ("http:", "https:"):
        raise InvalidInput("url_scheme", "only http and https URLs can be fetched", field="url")
    if parsed.username or parsed.password:
        raise InvalidInput("url_credentials", "a URL must not hold a user name or password", field="url")
    if parsed.port == "0":
        # HTTP clients take it for "no port", which is another address than the one that was checked.
        raise InvalidInput("url_port", "port 0 is not one that can be reached", field="url")
    parsed.hash = ""
    href: str = parsed.href.removesuffix("#")
    if len(href) > MAX_URL_CHARS:
        raise _too_long()
    return href


def href(url: str, base: str | None = None) -> str:
    """What the URL standard makes of any URL, relative to `base`. Raises `InvalidInput` with code url_invalid."""
    return str(_parse(url, base).href)


def origin(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for."""
    return str(_parse(url).origin)


def host_and_port(url: str) -> tuple[str, int]:
    """Of a normalised URL; an IPv6 address without its brackets."""
    parsed = _parse(url)
    port = parsed.port or ("443" if parsed.protocol == "https:" else "80")
    return parsed.hostname.strip("[]"), int(port)


def host_of(url: str) -> str:
    """The name or the address, without the brackets of an IPv6 one."""
    return str(_parse(url).hostname).strip("[]")


def path_and_query(url: str) -> str:
    """Of a normalised URL, as it is sent: an empty query keeps its question mark."""
    return url[url.index("/", url.index("//") + 2) :]


def _parse(url: str, base: str | None = None) -> ada_url.URL:
    try:
        return ada_url.URL(_scalar(url), None if base is None else _scalar(base))
    except ValueError:
        raise InvalidInput("url_invalid", "this is not a URL", field="url") from None


def _scalar(text: str) -> str:
    """Lone surrogates become U+FFFD, as in the standard's "USVString"."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _too_long() -> TooLarge:
    return TooLarge("url_too_long", f"a URL may have at most {MAX_URL_CHARS} characters", field="url")
