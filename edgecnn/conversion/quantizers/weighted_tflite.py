"""The weights of a float `.tflite` file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.quantizers.weighted import Floats, WeightedLayer

_RELU, _NONE = 1, 0
"""Of ActivationFunctionType."""
_SAME = 0
"""Of Padding."""


class TFLiteWeights:
    """Convolutions, depthwise convolutions and dense layers whose weights are float32 constants
    that no other operator uses.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.tools import flatbuffer_utils

        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
        self._graph = self._model.subgraphs[0]
        numbers = {
            number: name
            for name, number in vars(schema.BuiltinOperator).items()
            if isinstance(number, int)
        }
        self._kinds = [
            numbers.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
            for code in self._model.operatorCodes
        ]
        self._uses = Counter(
            int(index) for operator in self._graph.operators for index in operator.inputs
        )
        self._buffers = Counter(int(tensor.buffer) for tensor in self._graph.tensors)
        self._float = int(schema.TensorType.FLOAT32)
        self._tensors: dict[str, tuple[int, int]] = {}
        self._depthwise: set[str] = set()
        layers = [self._layer(operator) for operator in self._graph.operators]
        self.layers = tuple(layer for layer in layers if layer is not None)

    def write(self, changed: Iterable[WeightedLayer], path: Path) -> None:
        """See `WeightedFile.write`."""
        from ai_edge_litert.tools import flatbuffer_utils

        for layer in changed:
            weights, bias = self._tensors[layer.name]
            tensor = self._graph.tensors[weights]
            depthwise = layer.name in self._depthwise
            self._store(tensor, _stored(layer, tuple(tensor.shape), depthwise=depthwise))
            if layer.bias is not None and bias >= 0:
                self._store(self._graph.tensors[bias], layer.bias)
        path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def _layer(self, operator: Any) -> WeightedLayer | None:
        kind = self._kinds[operator.opcodeIndex]
        if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            return None
        source, weights, bias = (*map(int, operator.inputs), -1)[:3]
        stored = self._constant(weights)
        if stored is None:
            return None
        biases = self._constant(bias) if bias >= 0 else None
        output = int(operator.outputs[0])
        options = operator.builtinOptions
        name = self._name(output)
        self._tensors[name] = (weights, bias)
        shared: dict[str, Any] = {
            "name": name,
            "source": self._name(source),
            "bias": None if biases is None else biases.astype(np.float64),
            "linear": int(options.fusedActivationFunction) in (_NONE, _RELU)
            and (bias < 0 or biases is not None),
            "follower": self._follower(output),
        }
        if kind == "FULLY_CONNECTED":
            return WeightedLayer(kind="dense", weights=stored.astype(np.float64)[None], **shared)
        depthwise = kind == "DEPTHWISE_CONV_2D"
        if depthwise:
            self._depthwise.add(name)
        kernel = tuple(int(size) for size in stored.shape[1:3])
        strides = (int(options.strideH), int(options.strideW))
        dilations = (int(options.dilationHFactor), int(options.dilationWFactor))
        sizes = tuple(int(size) for size in self._graph.tensors[source].shape[1:3])
        same = int(options.padding) == _SAME
        return WeightedLayer(
            kind="convolution",
            weights=_canonical(
                stored, int(self._graph.tensors[source].shape[3]), depthwise=depthwise
            ),
            kernel=kernel,
            strides=strides,
            dilations=dilations,
            padding=tuple(
                _same_padding(*each) if same else (0, 0)
                for each in zip(sizes, kernel, strides, dilations, strict=True)
            ),
            **shared,
        )

    def _constant(self, index: int) -> npt.NDArray[np.float32] | None:
        """A float32 constant that belongs to one operator alone."""
        tensor = self._graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        alone = self._uses[index] == 1 and self._buffers[int(tensor.buffer)] == 1
        if data is None or not len(data) or int(tensor.type) != self._float or not alone:
            return None
        return np.frombuffer(bytes(data), np.float32).reshape([int(size) for size in tensor.shape])

    def _store(self, tensor: Any, values: npt.NDArray[Any]) -> None:
        content = np.ascontiguousarray(values, np.float32).tobytes()
        self._model.buffers[tensor.buffer].data = np.frombuffer(content, np.uint8)

    def _follower(self, output: int) -> str:
        """The operator that alone takes the tensor; empty for several, and for a model's output."""
        takers = [each for each in self._graph.operators if output in map(int, each.inputs)]
        if len(takers) != 1 or output in map(int, self._graph.outputs):
            return ""
        return self._name(int(takers[0].outputs[0]))

    def _name(self, index: int) -> str:
        name = self._graph.tensors[index].name
        return name.decode() if isinstance(name, bytes) else str(name)


def _canonical(stored: npt.NDArray[Any], channels: int, *, depthwise: bool) -> Floats:
    """(groups, outputs, inputs × kernel) of (outputs, rows, columns, inputs), or of a depthwise
    kernel (1, rows, columns, outputs), whose outputs of one input are neighbors.
    """
    if depthwise:
        _, rows, columns, outputs = stored.shape
        by_output = stored[0].transpose(2, 0, 1).reshape(channels, outputs // channels, -1)
        return np.asarray(by_output, np.float64).reshape(
            channels, outputs // channels, rows * columns
        )
    outputs, rows, columns, inputs = stored.shape
    groups = channels // inputs
    moved = stored.transpose(0, 3, 1, 2).reshape(groups, outputs // groups, -1)
    return np.asarray(moved, np.float64)


def _stored(layer: WeightedLayer, shape: tuple[int, ...], *, depthwise: bool) -> npt.NDArray[Any]:
    """The weights as the file has them."""
    if layer.kind == "dense":
        return np.asarray(layer.weights[0])
    rows, columns = layer.kernel
    if depthwise:
        outputs = shape[3]
        return np.asarray(layer.weights.reshape(outputs, rows, columns).transpose(1, 2, 0)[None])
    outputs, _, _, inputs = shape
    by_output = layer.weights.reshape(outputs, inputs, rows, columns)
    return np.asarray(by_output.transpose(0, 2, 3, 1))


def _same_padding(size: int, taps: int, stride: int, dilation: int) -> tuple[int, int]:
    reach = (taps - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
