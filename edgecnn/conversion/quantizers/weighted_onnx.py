"""The weights of a float `.onnx` file whose batch normalization is folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.quantizers.weighted import WeightedLayer


class OnnxWeights:
    """Conv, Gemm and MatMul nodes whose weights are float32 constants that no other node uses."""

    def __init__(self, path: Path) -> None:
        import onnx
        from onnx import numpy_helper

        self._model = onnx.load(str(path))
        self._graph = self._model.graph
        self._stored = {each.name: each for each in self._graph.initializer}
        self._read = numpy_helper.to_array
        self._uses = Counter(name for node in self._graph.node for name in node.input)
        self._takers: dict[str, list[Any]] = {}
        for node in self._graph.node:
            for name in node.input:
                self._takers.setdefault(name, []).append(node)
        self._given = {value.name for value in self._graph.output}
        self._nodes: dict[str, Any] = {}
        layers = [self._layer(node) for node in self._graph.node]
        self.layers = tuple(layer for layer in layers if layer is not None)

    def write(self, changed: Iterable[WeightedLayer], path: Path) -> None:
        """See `WeightedFile.write`."""
        import onnx

        for layer in changed:
            node = self._nodes[layer.name]
            weights = self._stored[node.input[1]]
            shape = tuple(weights.dims)
            values = layer.weights.reshape(shape)
            if layer.kind == "dense":
                values = layer.weights[0] if _outputs_first(node) else layer.weights[0].T
            self._store(node.input[1], values.reshape(shape))
            if layer.bias is not None:
                self._store(node.input[2], layer.bias)
        onnx.save(self._model, str(path))

    def _layer(self, node: Any) -> WeightedLayer | None:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.input) < 2:
            return None
        stored = self._constant(node.input[1])
        if stored is None:
            return None
        bias = self._constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        name = node.output[0]
        self._nodes[name] = node
        linear, follower = self._behind(name)
        linear &= bias is not None or len(node.input) < 3 or not node.input[2]
        shared: dict[str, Any] = {
            "name": name,
            "source": node.input[0],
            "bias": None if bias is None else bias.astype(np.float64).reshape(-1),
            "channels_last": False,
            "linear": linear,
            "follower": follower,
        }
        if node.op_type != "Conv":
            plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
            odd = any(_attribute(node, key, value) != value for key, value in plain.items())
            if stored.ndim != 2 or odd:
                return None
            by_output = stored if _outputs_first(node) else stored.T
            return WeightedLayer(kind="dense", weights=by_output.astype(np.float64)[None], **shared)
        groups = int(_attribute(node, "group", 1))
        kernel = tuple(int(size) for size in stored.shape[2:])
        padding = self._padding(node, kernel)
        if padding is None:
            return None
        return WeightedLayer(
            kind="convolution",
            weights=stored.astype(np.float64).reshape(groups, stored.shape[0] // groups, -1),
            kernel=kernel,
            strides=tuple(_attribute(node, "strides", [1] * len(kernel))),
            dilations=tuple(_attribute(node, "dilations", [1] * len(kernel))),
            padding=padding,
            **shared,
        )

    def _padding(self, node: Any, kernel: Sequence[int]) -> tuple[tuple[int, int], ...] | None:
        """(before, after) of each axis; None where it depends on the size of the input."""
        automatic = _attribute(node, "auto_pad", b"NOTSET")
        if automatic not in (b"NOTSET", b"VALID", "NOTSET", "VALID"):
            return None
        pads = list(_attribute(node, "pads", [0] * (2 * len(kernel))))
        return tuple(zip(pads[: len(kernel)], pads[len(kernel) :], strict=True))

    def _constant(self, name: str) -> npt.NDArray[Any] | None:
        import onnx

        tensor = self._stored.get(name)
        alone = self._uses[name] == 1
        if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT or not alone:
            return None
        return np.asarray(self._read(tensor))

    def _store(self, name: str, values: npt.NDArray[Any]) -> None:
        from onnx import numpy_helper

        array = np.ascontiguousarray(values, np.float32)
        self._stored[name].CopyFrom(numpy_helper.from_array(array, name))

    def _behind(self, name: str) -> tuple[bool, str]:
        """(whether nothing but a Relu lies between this output and the next layer, that layer's
        name). The name is empty for several takers, and for an output of the model.
        """
        linear = True
        while name not in self._given and len(self._takers.get(name, ())) == 1:
            (node,) = self._takers[name]
            if node.op_type != "Relu":
                return linear, node.output[0]
            name = node.output[0]
        return linear, ""


def _outputs_first(node: Any) -> bool:
    return node.op_type == "Gemm" and bool(_attribute(node, "transB", 0))


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    attribute = next((each for each in node.attribute if each.name == name), None)
    return default if attribute is None else helper.get_attribute_value(attribute)
