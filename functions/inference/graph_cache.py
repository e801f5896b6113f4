"""Keeps built graphs on disk, so that only the first start of a model builds one."""

import hashlib
import os
import shutil
import struct
import tempfile
from pathlib import Path

from functions.inference.folder import BertConfig
from shared.errors import InvalidInput

FORMAT = "1"
SAMPLES, SAMPLE_BYTES = 64, 4096
GRAPH = "model.onnx"


def cached_graph(folder: Path, config: BertConfig, cache: Path) -> Path:
    """The model's graph, built now if this model has none yet. Processes may race for it: the first one in stays."""
    home = cache / fingerprint(folder / "model.safetensors", config)
    if not (home / GRAPH).is_file():
        _build(folder, config, home)
    return home / GRAPH


def drop(graph: Path) -> None:
    """Removes a graph that does not load."""
    shutil.rmtree(graph.parent, ignore_errors=True)


def fingerprint(weights: Path, config: BertConfig) -> str:
    """Size, time of change, tensor table and samples of the weights: hashing all of a large model slows a start."""
    digest = hashlib.sha256(f"{FORMAT} {config}".encode())
    with weights.open("rb") as file:
        stat = os.fstat(file.fileno())
        digest.update(struct.pack("<QQ", stat.st_size, stat.st_mtime_ns))
        (header_bytes,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        digest.update(file.read(min(header_bytes, stat.st_size)))
        for sample in range(SAMPLES):
            file.seek(stat.st_size * sample // SAMPLES)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def _build(folder: Path, config: BertConfig, home: Path) -> None:
    from functions.inference import graph  # noqa: PLC0415

    weights = graph.read_weights(folder / "model.safetensors")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix="building-", dir=home.parent))
        try:
            graph.build(config, weights, building / GRAPH)
            _move(building, home)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as exc:
        message = f"cannot write the model cache {home.parent}: {exc.strerror}"
        raise InvalidInput("cache_unwritable", message, field="MODEL_CACHE_DIR") from exc


def _move(building: Path, home: Path) -> None:
    try:
        building.rename(home)
    except OSError:
        if not (home / GRAPH).is_file():
            raise
