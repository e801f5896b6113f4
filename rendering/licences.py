"""Every distribution that an image installs, with its licence as its own metadata has it."""

import re
import sys
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, metadata

from rendering import description
from rendering.images import ROOT, distributions

HEAD = """# Licences of what the images install

Written by `scripts/licences` from each distribution's metadata.

| distribution | licence | images |
|---|---|---|
"""
_LONGEST = 80


def table() -> str:
    images: dict[str, list[str]] = defaultdict(list)
    functions = sorted({each.image_of for each in description.read(ROOT, {}).functions})
    for function in functions:
        for name in {pinned.split("==")[0] for pinned in distributions(function)}:
            images[name].append(function)
    rows = (
        f"| `{name}` | {licence} | {'all' if len(found) == len(functions) else ', '.join(found)} |\n"
        for name, found in sorted(images.items())
        if (licence := licence_of(name)) is not None
    )
    return HEAD + "".join(rows)


def licence_of(distribution: str) -> str | None:
    """None where this machine's Python does not install it."""
    try:
        told = metadata(distribution)
    except PackageNotFoundError:
        return None
    classified = [
        each.rsplit(" :: ", 1)[1] for each in told.get_all("Classifier") or () if each.startswith("License ::")
    ]
    plain = [each for name in ("License-Expression", "License") for each in told.get_all(name) or ()]
    written = ", ".join(classified) if classified and "License-Expression" not in told else next(iter(plain), "")
    return re.sub(r"\s+", " ", written.replace("|", "/"))[:_LONGEST] or "see its files"


if __name__ == "__main__":
    sys.stdout.write(table())
