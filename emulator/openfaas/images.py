"""Images that run here without an image, and how the names of images are compared."""

from pathlib import Path

ALPINE, REDIRECTOR = "functions/alpine", "theaxer/redirector"
WATCHDOG = Path(__file__).with_name("watchdog.py")


def repository(image: str) -> str:
    """An image's name without registry of the default, tag and digest."""
    name = image.split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    return (head + slash + last.split(":", 1)[0]).removeprefix("docker.io/").removeprefix("library/")


def is_built_in(image: str) -> bool:
    return repository(image) in (ALPINE, REDIRECTOR)
