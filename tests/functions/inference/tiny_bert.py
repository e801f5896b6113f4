"""A BERT of a few thousand random weights, as a Hugging Face folder, and its forward pass in plain numpy."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

Array = np.ndarray[Any, np.dtype[np.float32]]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnop"]
HIDDEN, HEADS, WIDE, POSITIONS, LAYERS = 16, 4, 32, 12, 2
CONFIG: dict[str, Any] = {
    "model_type": "bert", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_size": HIDDEN,
    "vocab_size": len(WORDS), "max_position_embeddings": POSITIONS, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
}  # fmt: skip


def random_weights(seed: int = 7) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        linear = {f"attention.self.{name}": (HIDDEN, HIDDEN) for name in ("query", "key", "value")}
        linear |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (WIDE, HIDDEN)}
        linear |= {"output.dense": (HIDDEN, WIDE)}
        for name, shape in linear.items():
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{at}.{name}.weight": (HIDDEN,), f"{at}.{name}.bias": (HIDDEN,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def write(
    folder: Path, weights: dict[str, Array], *, pooling: str = "mean", prefix: str = "", **config: object
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling_mode = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}.get(pooling, pooling)
    (folder / "1_Pooling/config.json").write_text(json.dumps({pooling_mode: True}))
    save_file({prefix + name: array for name, array in weights.items()}, folder / "model.safetensors")
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(WORDS[:4])
    return tokenizer


def forward(weights: dict[str, Array], ids: list[int], *, pooling: str = "mean") -> Array:
    """One sequence, unpadded, in float64."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = _norm(x + w["embeddings.token_type_embeddings.weight"][0], w, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        attended = _linear(_attend(x, w, f"{at}.attention.self"), w, f"{at}.attention.output.dense")
        x = _norm(attended + x, w, f"{at}.attention.output.LayerNorm")
        wide = _linear(x, w, f"{at}.intermediate.dense")
        gelu = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = _norm(_linear(gelu, w, f"{at}.output.dense") + x, w, f"{at}.output.LayerNorm")
    pooled = x[0] if pooling == "cls" else x.mean(axis=0)
    return np.asarray(pooled / np.linalg.norm(pooled), dtype=np.float32)


def _linear(x: Any, w: dict[str, Any], name: str) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _norm(x: Any, w: dict[str, Any], name: str) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + CONFIG["layer_norm_eps"])
    return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]


def _attend(x: Any, w: dict[str, Any], name: str) -> Any:
    size = HIDDEN // HEADS
    q, k, v = (
        _linear(x, w, f"{name}.{part}").reshape(len(x), HEADS, size).swapaxes(0, 1)
        for part in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(1, 2) / math.sqrt(size)
    share = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (share / share.sum(axis=-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(x), HIDDEN)
