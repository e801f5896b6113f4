"""The graph computes what the model's authors computed, and an unusable folder is described."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functions.inference.model import Model
from shared.errors import InvalidInput
from tests import shared_data
from tests.functions.inference import tiny_bert


def reference() -> list[dict[str, Any]]:
    texts: list[dict[str, Any]] = json.loads(shared_data.path("data/embeddings/minilm.json").read_bytes())["texts"]
    return texts


def test_ids_and_lengths_equal_the_reference(minilm: Model) -> None:
    for row, content in zip(reference(), minilm.tokenize([row["text"] for row in reference()]), strict=True):
        framed = minilm.frame.frame(content, truncate=True)
        assert len(content) + 2 == row["n_tokens"], row["id"]
        assert len(framed) == row["n_tokens_used"], row["id"]
        assert framed[: len(row["first_ids"])] == row["first_ids"], row["id"]


@pytest.mark.parametrize("rows_at_once", [1, 6])
def test_vectors_equal_the_reference_alone_and_padded(minilm: Model, rows_at_once: int) -> None:
    rows = reference()
    sequences = [
        minilm.frame.frame(content, truncate=True) for content in minilm.tokenize([row["text"] for row in rows])
    ]
    for at in range(0, len(rows), rows_at_once):
        for row, vector in zip(rows[at:], minilm.embed(sequences[at : at + rows_at_once]), strict=False):
            assert float(np.dot(vector, row["vector"])) >= 0.99999, row["id"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_any_bert_folder_is_computed_exactly(tmp_path: Path, pooling: str, prefix: str) -> None:
    weights = tiny_bert.random_weights()
    folder = tiny_bert.write(tmp_path / "model", weights, pooling=pooling, prefix=prefix)
    model = Model.open(folder, tmp_path / "cache", threads=1)
    sequences = [
        model.frame.frame(content, truncate=False) for content in model.tokenize(["", "a", "b c d", "a " * 10])
    ]
    for sequence, vector in zip(sequences, model.embed(sequences), strict=True):
        assert np.allclose(vector, tiny_bert.forward(weights, sequence, pooling=pooling), atol=2e-6)


def test_a_graph_is_built_once_and_again_for_other_weights(tmp_path: Path) -> None:
    folder = tiny_bert.write(tmp_path / "model", tiny_bert.random_weights(1))
    first = Model.open(folder, tmp_path / "cache", threads=1).embed([[2, 5, 3]])[0]
    (built,) = (tmp_path / "cache").iterdir()
    made_at = built.stat().st_mtime_ns
    assert np.array_equal(Model.open(folder, tmp_path / "cache", threads=1).embed([[2, 5, 3]])[0], first)
    assert built.stat().st_mtime_ns == made_at
    tiny_bert.write(folder, tiny_bert.random_weights(2))
    assert not np.allclose(Model.open(folder, tmp_path / "cache", threads=1).embed([[2, 5, 3]])[0], first)


def test_a_damaged_graph_is_built_anew(tmp_path: Path) -> None:
    folder = tiny_bert.write(tmp_path / "model", tiny_bert.random_weights())
    first = Model.open(folder, tmp_path / "cache", threads=1).embed([[2, 5, 3]])[0]
    (built,) = (tmp_path / "cache").iterdir()
    (built / "model.onnx").write_bytes(b"half a")
    assert np.array_equal(Model.open(folder, tmp_path / "cache", threads=1).embed([[2, 5, 3]])[0], first)


def test_a_cached_graph_needs_no_builder(tmp_path: Path) -> None:
    folder = tiny_bert.write(tmp_path / "model", tiny_bert.random_weights())
    Model.open(folder, tmp_path / "cache", threads=1)
    code = (
        "import sys; from pathlib import Path; from functions.inference.model import Model\n"
        "Model.open(Path(sys.argv[1]), Path(sys.argv[2]), threads=1)\n"
        "sys.exit(', '.join({'onnx', 'safetensors'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code, folder, tmp_path / "cache"], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_folder_that_lacks_files_says_which(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"lacks tokenizer\.json, model\.safetensors"):
        Model.open(tmp_path, tmp_path / "cache", threads=1)
    with pytest.raises(InvalidInput, match="is not a folder"):
        Model.open(tmp_path / "nowhere", tmp_path / "cache", threads=1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_type": "t5"}, "model_type is 't5'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"vocab_size": 3}, "vocab_size"),
        ({"pooling": "pooling_mode_lasttoken"}, "pooling_mode_lasttoken is not supported"),
    ],
)
def test_a_model_we_cannot_run_is_refused_with_the_reason(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    folder = tiny_bert.write(tmp_path / "model", tiny_bert.random_weights(), **change)
    with pytest.raises(InvalidInput, match=says):
        Model.open(folder, tmp_path / "cache", threads=1)


def test_weights_that_are_missing_or_unreadable_are_named(tmp_path: Path) -> None:
    weights = tiny_bert.random_weights()
    del weights["encoder.layer.1.output.dense.bias"]
    folder = tiny_bert.write(tmp_path / "model", weights)
    with pytest.raises(InvalidInput, match=r"lack encoder\.layer\.1\.output\.dense\.bias"):
        Model.open(folder, tmp_path / "cache", threads=1)
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs")
    with pytest.raises(InvalidInput, match="not a readable safetensors file"):
        Model.open(folder, tmp_path / "cache", threads=1)


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    folder = tiny_bert.write(tmp_path / "model", tiny_bert.random_weights())
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput) as refused:
        Model.open(folder, tmp_path / "file" / "cache", threads=1)
    assert refused.value.field == "MODEL_CACHE_DIR"
