"""Reads a Hugging Face model folder: sizes, limit, pooling, and what is missing when it is not usable."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.errors import InvalidInput

NEEDED = ("config.json", "tokenizer.json", "model.safetensors")


@dataclass(frozen=True)
class BertConfig:
    """What the graph needs to know. `limit` counts tokens with the special ones."""

    layers: int
    heads: int
    hidden: int
    vocabulary: int
    epsilon: float
    limit: int
    pooling: Literal["mean", "cls"]
    normalise: bool


def check_folder(folder: Path) -> None:
    """Raises `InvalidInput` that names every file the folder lacks."""
    if not folder.is_dir():
        raise InvalidInput(
            "model_missing", f"EMBEDDING_MODEL_DIR: {folder} is not a folder", field="EMBEDDING_MODEL_DIR"
        )
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        lacks = ", ".join(missing)
        raise InvalidInput("model_missing", f"the model folder {folder} lacks {lacks}", field="EMBEDDING_MODEL_DIR")


def read_config(folder: Path) -> BertConfig:
    """The model's configuration, or `InvalidInput` that says what we cannot run."""
    check_folder(folder)
    raw = _json(folder / "config.json")
    for name, want in (("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if raw.get(name, want) != want:
            raise InvalidInput("model_unsupported", f"config.json: {name} is {raw[name]!r}; only {want!r} is supported")
    try:
        return BertConfig(
            layers=int(raw["num_hidden_layers"]),
            heads=int(raw["num_attention_heads"]),
            hidden=int(raw["hidden_size"]),
            vocabulary=int(raw["vocab_size"]),
            epsilon=float(raw.get("layer_norm_eps", 1e-12)),
            limit=_limit(folder, int(raw["max_position_embeddings"])),
            pooling=_pooling(folder),
            normalise=_normalise(folder),
        )
    except KeyError as exc:
        raise InvalidInput("model_invalid", f"config.json lacks {exc.args[0]}") from exc


def _limit(folder: Path, positions: int) -> int:
    stated = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    return min(positions, int(stated)) if stated else positions


def _pooling(folder: Path) -> Literal["mean", "cls"]:
    raw = _json(folder / "1_Pooling" / "config.json")
    modes = [name for name, on in raw.items() if name.startswith("pooling_mode_") and on]
    if modes in ([], ["pooling_mode_mean_tokens"]):
        return "mean"
    if modes == ["pooling_mode_cls_token"]:
        return "cls"
    raise InvalidInput("model_unsupported", f"1_Pooling/config.json: {', '.join(modes)} is not supported")


def _normalise(folder: Path) -> bool:
    """Normalised unless modules.json lists the steps and normalising is not one of them."""
    path = folder / "modules.json"
    return not path.is_file() or "Normalize" in path.read_text(encoding="utf-8")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as exc:
        raise InvalidInput("model_invalid", f"{path.name} is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise InvalidInput("model_invalid", f"{path.name} is not a JSON object")
    return value
