"""Which pages share a pace."""

from urllib.parse import urlsplit


def domain_of(url: str) -> str:
    """Host and, where it is not the scheme's own, port of a normalised URL. Lower case."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()
