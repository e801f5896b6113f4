"""A BERT-family model on CPU: texts to token ids, token ids to vectors. Calls block; run them in a thread."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.inference.core import TokenFrame, Tokens
from functions.inference.folder import BertConfig, read_config
from functions.inference.graph_cache import cached_graph, drop
from shared.errors import InvalidInput
from shared.model_files import load_tokenizer

if TYPE_CHECKING:
    from functions.inference.core import Vector

ERRORS_ONLY = 3


@dataclass(frozen=True)
class Model:
    """Both calls may run at the same time, from any thread."""

    config: BertConfig
    frame: TokenFrame
    _tokenizer: Any
    _session: Any

    @classmethod
    def open(cls, folder: Path, cache: Path, *, threads: int) -> "Model":
        """Raises `InvalidInput` that says what is wrong with the folder."""
        config = read_config(folder)
        tokenizer, _ = load_tokenizer(folder / "tokenizer.json")
        return cls(config, _token_frame(tokenizer, config), tokenizer, _open_session(folder, config, cache, threads))

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Content only, without special tokens, however long."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def embed(self, sequences: Sequence[Tokens]) -> "list[Vector]":
        """One row a sequence; the sequences are framed and within the limit."""
        import numpy as np  # noqa: PLC0415

        longest = max(map(len, sequences))
        ids = np.zeros((len(sequences), longest), dtype=np.int32)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        return list(self._session.run(None, {"ids": ids, "mask": mask})[0])


def _token_frame(tokenizer: Any, config: BertConfig) -> TokenFrame:  # noqa: ANN401
    special = tokenizer.encode("").ids
    if len(special) != 2:
        raise InvalidInput(
            "model_unsupported", "tokenizer.json does not put one special token before and one after a text"
        )
    if tokenizer.get_vocab_size() > config.vocabulary:
        raise InvalidInput("model_invalid", "tokenizer.json knows more tokens than the model's vocab_size")
    return TokenFrame(special[0], special[1], config.limit, config.vocabulary)


def _open_session(folder: Path, config: BertConfig, cache: Path, threads: int) -> Any:  # noqa: ANN401
    """A graph that does not load is built once more: a disk may have lost half of it."""
    graph = cached_graph(folder, config, cache)
    try:
        return _session(graph, threads)
    except Exception:
        drop(graph)
        return _session(cached_graph(folder, config, cache), threads)


def _session(graph: Path, threads: int) -> Any:  # noqa: ANN401
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read on import; without it, it reports to its makers
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
