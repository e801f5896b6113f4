"""Builds the ONNX graph of a BERT encoder with pooling from a folder's safetensors, with onnxruntime's fused operators.

Inputs: `ids`, `mask` int32 [batch, length], padded on the right. Output: `vectors` float32 [batch, hidden].
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.inference.folder import BertConfig
from shared.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

    Weights = Mapping[str, np.ndarray[Any, Any]]

FUSED = "com.microsoft"
FUSED_OPS = ("Attention", "BiasGelu", "EmbedLayerNormalization", "SkipLayerNormalization")
OPSET, IR = 17, 8


def read_weights(path: Path) -> "Weights":
    """Float32 tensors by their Hugging Face names, without the `bert.` that some checkpoints put in front."""
    from safetensors.numpy import load_file  # noqa: PLC0415

    try:
        tensors = load_file(path)
    except Exception as exc:
        raise InvalidInput("model_invalid", f"{path.name} is not a readable safetensors file: {exc}") from exc
    return {name.removeprefix("bert."): tensor.astype("float32", copy=False) for name, tensor in tensors.items()}


class GraphBuilder:
    """Collects nodes and constants; each method adds one part of the network and returns the name of its output."""

    def __init__(self, config: BertConfig, weights: "Weights") -> None:
        from onnx import helper, numpy_helper  # noqa: PLC0415

        self._config, self._weights = config, weights
        self._make_node, self._from_array = helper.make_node, numpy_helper.from_array
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def tensor(self, name: str) -> "np.ndarray[Any, Any]":
        try:
            return self._weights[name]
        except KeyError:
            raise InvalidInput("model_invalid", f"the model's weights lack {name}") from None

    def constant(self, name: str, array: "np.ndarray[Any, Any]") -> str:
        if name not in self.constants:
            self.constants[name] = self._from_array(array.copy(order="C"), name)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.tensor(name))

    def transposed(self, name: str) -> str:
        """A linear layer's weight: stored [out, in], multiplied as [in, out]."""
        return self.constant(f"{name}.T", self.tensor(name).T)

    def node(self, op: str, inputs: list[str], output: str, **attributes: float) -> str:
        domain = FUSED if op in FUSED_OPS else ""
        self.nodes.append(self._make_node(op, inputs, [output], None, None, domain, None, **attributes))
        return output

    def embed(self) -> str:
        where = "embeddings"
        tables = [self.weight(f"{where}.{table}_embeddings.weight") for table in ("word", "position", "token_type")]
        norm = [self.weight(f"{where}.LayerNorm.{part}") for part in ("weight", "bias")]
        self.nodes.append(
            self._make_node(
                "EmbedLayerNormalization",
                ["ids", "types", *tables, *norm],
                ["embedded", "unused"],
                domain=FUSED,
                epsilon=self._config.epsilon,
            )
        )
        return "embedded"

    def layer(self, number: int, hidden: str) -> str:
        at = f"encoder.layer.{number}"
        attended = self._attention(f"{at}.attention", hidden)
        wide = self.node("MatMul", [attended, self.transposed(f"{at}.intermediate.dense.weight")], f"{at}.wide")
        bias = self.weight(f"{at}.intermediate.dense.bias")
        active = self.node("BiasGelu", [wide, bias], f"{at}.active")
        return self._residual(f"{at}.output", active, attended)

    def _attention(self, at: str, hidden: str) -> str:
        import numpy as np  # noqa: PLC0415

        names = [f"{at}.self.{part}" for part in ("query", "key", "value")]
        weight = self.constant(f"{at}.qkv", np.concatenate([self.tensor(f"{n}.weight").T for n in names], axis=1))
        bias = self.constant(f"{at}.qkv_bias", np.concatenate([self.tensor(f"{n}.bias") for n in names]))
        heads = self._config.heads
        context = self.node("Attention", [hidden, weight, bias, "mask"], f"{at}.context", num_heads=heads)
        return self._residual(f"{at}.output", context, hidden)

    def _residual(self, at: str, inner: str, skip: str) -> str:
        """Linear, plus its input's input, normalised."""
        dense = self.node("MatMul", [inner, self.transposed(f"{at}.dense.weight")], f"{at}.dense")
        norm = [self.weight(f"{at}.LayerNorm.{part}") for part in ("weight", "bias")]
        bias = self.weight(f"{at}.dense.bias")
        epsilon = self._config.epsilon
        inputs = [dense, skip, *norm, bias]
        return self.node("SkipLayerNormalization", inputs, f"{at}.sum", epsilon=epsilon)

    def pool(self, hidden: str) -> str:
        import numpy as np  # noqa: PLC0415

        axis = self.constant("axis_1", np.array([1], dtype=np.int64))
        if self._config.pooling == "cls":
            return self.node("Gather", [hidden, self.constant("first", np.array(0, dtype=np.int64))], "pooled", axis=1)
        weights = self.node("Unsqueeze", [self.node("Cast", ["mask"], "mask_float", to=1), axis], "mask_row")
        total = self.node("MatMul", [weights, hidden], "total")
        count = self.node("ReduceSum", ["mask_float", axis], "count", keepdims=1)
        return self.node("Div", [self.node("Squeeze", [total, axis], "flat"), count], "pooled")

    def finish(self, pooled: str) -> str:
        if not self._config.normalise:
            return self.node("Identity", [pooled], "vectors")
        return self.node("LpNormalization", [pooled], "vectors", axis=-1, p=2)


def build(config: BertConfig, weights: "Weights", path: Path) -> None:
    """Writes the graph to `path` and its weights beside it as `<path>.data`, which onnxruntime maps into memory."""
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper  # noqa: PLC0415

    graph = GraphBuilder(config, weights)
    graph.node("Mul", ["ids", graph.constant("zero", _int32_zero())], "types")
    hidden = graph.embed()
    for number in range(config.layers):
        hidden = graph.layer(number, hidden)
    graph.finish(graph.pool(hidden))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, ["batch", "length"]) for n in ("ids", "mask")]
    output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", config.hidden])
    made = helper.make_graph(graph.nodes, "bert", inputs, [output], list(graph.constants.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR)
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=4096)


def _int32_zero() -> "np.ndarray[Any, Any]":
    import numpy as np  # noqa: PLC0415

    return np.array(0, dtype=np.int32)
