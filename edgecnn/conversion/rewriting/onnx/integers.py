"""Operators of an `.onnx` file that compute with integers, written as float ones between
QuantizeLinear/DequantizeLinear pairs.

Three families: QLinearConv and its relatives (fixed scales), ConvInteger and MatMulInteger behind a
DynamicQuantizeLinear (scales of each inference), MatMulNBits (weights in blocks of a few bits).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.rewriting.onnx.plain_form import set_nodes
from edgecnn.errors import UnsupportedError

Values = npt.NDArray[Any]

_UNARY = {
    "QLinearSigmoid": "Sigmoid", "QLinearLeakyRelu": "LeakyRelu", "QLinearSoftmax": "Softmax",
    "QLinearAveragePool": "AveragePool", "QLinearGlobalAveragePool": "GlobalAveragePool",
}  # fmt: skip
"""Inputs: x, its scale and zero point, then those of the output."""
_BINARY = {"QLinearAdd": "Add", "QLinearMul": "Mul", "QLinearMatMul": "MatMul"}
"""Inputs: a and b with scale and zero point each, then those of the output."""
_NOT_OF_FLOAT = ("channels_last", "opset")
"""Attributes that the float operators do not have."""
_KNOWN = frozenset(
    {*_UNARY, *_BINARY, "QLinearConv", "QLinearConcat", "QGemm", "ConvInteger", "MatMulInteger",
     "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits"}
)  # fmt: skip
_OTHERS = ("DynamicQuantizeLSTM", "QAttention", "QEmbedLayerNormalization", "QLinearReduceMean")
_ONE, _NONE = "float_stand_in_one", "float_stand_in_none"
_FLOAT = 1


def with_pairs(model: Any, constants: dict[str, Values]) -> None:
    """Rewrite the main graph in place; what is made goes into its weights and into `constants`.

    Raises UnsupportedError for integer operators that are not known here, with a layer.
    """
    from onnx import numpy_helper

    graph = model.graph
    if not any(_is_integer(node.op_type) for node in graph.node):
        return
    writing = _Writing(constants)
    kept = [one for node in graph.node for one in writing.nodes_for(node)]
    set_nodes(graph, kept, writing.renamed)
    graph.initializer.extend(numpy_helper.from_array(each, n) for n, each in writing.made.items())
    constants |= writing.made
    del graph.value_info[:]
    _fold_scales(graph, constants, writing.products)


def _fold_scales(graph: Any, constants: dict[str, Values], products: Collection[str]) -> None:
    """Multiply scales that are constants, and weights by the scale that their products get.

    `products` are the tensors of Conv and MatMul that stand for products of integers. The model's
    own float layers stay as they are: a bias would have to be scaled, too.
    """
    from onnx import numpy_helper

    producers = {name: node for node in graph.node for name in node.output}
    takers = Counter(name for node in graph.node for name in node.input)
    takers.update(value.name for value in graph.output)
    made: dict[str, Values] = {}
    renamed: dict[str, str] = {}
    for node in list(graph.node):
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        if node.op_type != "Mul":
            continue
        known = [made.get(name, constants.get(name)) for name in node.input]
        if known[0] is not None and known[1] is not None:
            made[node.output[0]] = np.asarray(known[0] * known[1])
            graph.node.remove(node)
            continue
        place = 0 if known[0] is not None else 1
        scale, product = known[place], producers.get(node.input[1 - place])
        if scale is None or product is None or takers[product.output[0]] != 1:
            continue
        name = product.input[1] if product.output[0] in products else ""
        weights = made.get(name, constants.get(name))
        columns = product.op_type == "MatMul" and scale.ndim == 1
        if weights is None or takers[name] != 1 or not (scale.size == 1 or columns):
            continue
        product.input[1] = f"{name}_scaled"
        made[product.input[1]] = np.asarray(weights * scale.reshape(scale.shape if columns else ()))
        renamed[node.output[0]] = product.output[0]
        if node.output[0] in {value.name for value in graph.output}:
            product.output[0] = node.output[0]
            renamed.pop(node.output[0])
        graph.node.remove(node)
    graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in made.items())
    constants |= made


def not_here(node: Any, what: str) -> UnsupportedError:
    """What is said of an operator that has no float form here."""
    return UnsupportedError(
        f"{node.op_type} (layer {(node.name or node.output[0])!r}) {what}: no float form of it is "
        "written here",
        hint="convert the float model that the file was made from",
    )


def look(nodes: Iterable[Any]) -> None:
    """Raise UnsupportedError for the first integer operator without a float form."""
    for node in nodes:
        if _is_integer(node.op_type) and node.op_type not in _KNOWN:
            raise not_here(node, "computes with integers")


def _is_integer(kind: str) -> bool:
    return kind in _KNOWN or kind in _OTHERS or kind.startswith("QLinear")


class _Writing:
    """Nodes, one after the other, with the float ones that take their place."""

    def __init__(self, constants: Mapping[str, Values]) -> None:
        self._constants = constants
        self._dynamic: set[str] = set()
        """Tensors of integers by DynamicQuantizeLinear, and sums of their products."""
        self.made: dict[str, Values] = {}
        self.renamed: dict[str, str] = {}
        self.products: set[str] = set()
        """Tensors of ConvInteger and MatMulInteger, whose scale is applied behind them."""

    def nodes_for(self, node: Any) -> list[Any]:
        kind = node.op_type
        if kind == "Cast" and node.input[0] in self._dynamic:
            self._rename(node.output[0], node.input[0])
            return []
        if not _is_integer(kind):
            return [node]
        if any(each.name == "channels_last" and each.i for each in node.attribute):
            raise not_here(node, "takes channels last")
        ways: dict[str, Callable[[Any], list[Any]]] = {
            "QLinearConv": self._convolution, "QLinearConcat": self._concatenation,
            "QGemm": self._gemm, "ConvInteger": self._product, "MatMulInteger": self._product,
            "DynamicQuantizeLinear": self._dynamic_steps, "MatMulNBits": self._blocks,
            "DynamicQuantizeMatMul": self._float_product,
            "MatMulIntegerToFloat": self._float_product,
        }  # fmt: skip
        if kind in ways:
            return ways[kind](node)
        if kind in _UNARY:
            return self._between(node, _UNARY[kind], 1)
        if kind in _BINARY:
            return self._between(node, _BINARY[kind], 2)
        raise not_here(node, "computes with integers")

    def _between(self, node: Any, kind: str, count: int) -> list[Any]:
        """A float operator of `count` inputs, each with its scale and zero point, between pairs."""
        names, front = [], []
        for place in range(count):
            stored, scale, zero = node.input[3 * place : 3 * place + 3]
            axis = None
            if kind == "MatMul" and place == 1 and self._size(scale) > 1:
                axis = np.ndim(self._constant(node, stored)) - 1
            names.append(f"{node.output[0]}_real_{place}")
            front.append(_pair("DequantizeLinear", (stored, scale, zero), names[-1], axis=axis))
        return [*front, *self._finished(node, kind, names, *node.input[3 * count :])]

    def _finished(
        self, node: Any, kind: str, names: list[str], scale: str, zero: str = ""
    ) -> list[Any]:
        """The float operator, and its result in integers."""
        from onnx import helper

        made, output = f"{node.output[0]}_real", node.output[0]
        new = helper.make_node(kind, names, [made], name=node.name)
        new.attribute.extend(each for each in node.attribute if each.name not in _NOT_OF_FLOAT)
        return [new, _pair("QuantizeLinear", (made, scale, zero), output)]

    def _convolution(self, node: Any) -> list[Any]:
        x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *bias = node.input
        axis = 0 if self._size(w_scale) > 1 else None
        names = [f"{node.output[0]}_real_0", f"{node.output[0]}_real_1"]
        front = [
            _pair("DequantizeLinear", (x, x_scale, x_zero), names[0]),
            _pair("DequantizeLinear", (w, w_scale, w_zero), names[1], axis=axis),
        ]
        if bias and bias[0]:
            step = self._constant(node, x_scale) * self._constant(node, w_scale)
            names.append(self._real_bias(node, bias[0], step))
        return [*front, *self._finished(node, "Conv", names, y_scale, y_zero)]

    def _gemm(self, node: Any) -> list[Any]:
        from onnx import helper

        a, a_scale, a_zero, b, b_scale, b_zero, *rest = node.input
        if len(rest) < 2 or not rest[1]:
            raise not_here(node, "answers with floats")
        flags = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        axis = None
        if self._size(b_scale) > 1:
            axis = 0 if flags.get("transB") else 1
        names = [f"{node.output[0]}_real_0", f"{node.output[0]}_real_1"]
        front = [
            _pair("DequantizeLinear", (a, a_scale, a_zero), names[0]),
            _pair("DequantizeLinear", (b, b_scale, b_zero), names[1], axis=axis),
        ]
        if rest[0]:
            step = self._constant(node, a_scale) * self._constant(node, b_scale)
            step = step * np.float32(flags.get("alpha", 1.0))
            names.append(self._real_bias(node, rest[0], step))
        return [*front, *self._finished(node, "Gemm", names, *rest[1:])]

    def _concatenation(self, node: Any) -> list[Any]:
        scale, zero, *given = node.input
        names, front = [], []
        for place in range(0, len(given), 3):
            names.append(f"{node.output[0]}_real_{place // 3}")
            front.append(_pair("DequantizeLinear", given[place : place + 3], names[-1]))
        return [*front, *self._finished(node, "Concat", names, scale, zero)]

    def _dynamic_steps(self, node: Any) -> list[Any]:
        """Values are not rounded: they stand for themselves, with scale 1 and zero point 0."""
        values, scale, zero = (*node.output, "", "")[:3]
        self.made |= {_ONE: np.asarray(1, np.float32), _NONE: np.asarray(0, np.float32)}
        self._rename(values, node.input[0])
        self._dynamic.add(values)
        self._rename(scale, _ONE)
        self._rename(zero, _NONE)
        return []

    def _product(self, node: Any) -> list[Any]:
        """ConvInteger and MatMulInteger: the sums of products, before their scale is applied."""
        from onnx import helper

        x, w, _, w_zero = (*node.input, "", "")[:4]
        if x not in self._dynamic:
            raise not_here(node, "takes integers that are not quantized dynamically")
        weights = self._constant(node, w).astype(np.float32)
        if w_zero:
            weights = weights - _along(
                self._constant(node, w_zero), weights.ndim, node.op_type == "ConvInteger"
            )
        name = f"{node.output[0]}_weights"
        self.made[name] = weights
        self._dynamic.add(node.output[0])
        self.products.add(node.output[0])
        kind = node.op_type.removesuffix("Integer")
        new = helper.make_node(kind, [x, name], [node.output[0]], name=node.name)
        new.attribute.extend(node.attribute)
        return [new]

    def _float_product(self, node: Any) -> list[Any]:
        """DynamicQuantizeMatMul (a b scale zero bias), MatMulIntegerToFloat (a b scales zeros)."""
        from onnx import helper

        given = [*node.input, *[""] * 7]
        if node.op_type == "DynamicQuantizeMatMul":
            a, b, scale, zero, bias = given[:5]
        else:
            a, b, _, scale, _, zero, bias = given[:7]
            if a not in self._dynamic:
                raise not_here(node, "takes integers that are not quantized dynamically")
        weights = self._constant(node, b).astype(np.float32)
        if zero:
            weights = weights - _along(self._constant(node, zero), weights.ndim, first=False)
        weights = weights * _along(self._constant(node, scale), weights.ndim, first=False)
        name, output = f"{node.output[0]}_weights", node.output[0]
        self.made[name] = np.asarray(weights, np.float32)
        product = f"{output}_product" if bias else output
        new = [helper.make_node("MatMul", [a, name], [product], name=node.name)]
        return [*new, *([helper.make_node("Add", [product, bias], [output])] if bias else [])]

    def _blocks(self, node: Any) -> list[Any]:
        """MatMulNBits: rows of weights in blocks, each with a scale and a zero point."""
        from onnx import helper

        flags = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        a, b, scales, zeros, order, bias = (*node.input, *[""] * 6)[:6]
        bits = int(flags.get("bits", 4))
        if order or bits not in (4, 8):
            raise not_here(node, f"has weights of {bits} bits{' in another order' * bool(order)}")
        rows, columns, size = int(flags["N"]), int(flags["K"]), int(flags["block_size"])
        count = -(-columns // size)
        whole = _nibbles(self._constant(node, b), bits).reshape(rows, count, -1)[:, :, :size]
        zero: Values = np.full((rows, count), 1 << (bits - 1), np.float32)
        if zeros:
            stored = self._constant(node, zeros)
            if stored.dtype == np.uint8:
                stored = _nibbles(stored, bits).reshape(rows, -1)[:, :count]
            zero = stored.reshape(rows, count).astype(np.float32)
        scale = self._constant(node, scales).reshape(rows, count).astype(np.float32)
        real = (whole.astype(np.float32) - zero[..., None]) * scale[..., None]
        name, output = f"{node.output[0]}_weights", node.output[0]
        self.made[name] = np.ascontiguousarray(real.reshape(rows, -1)[:, :columns].T)
        product = f"{output}_product" if bias else output
        new = [helper.make_node("MatMul", [a, name], [product], name=node.name)]
        return [*new, *([helper.make_node("Add", [product, bias], [output])] if bias else [])]

    def _real_bias(self, node: Any, name: str, step: Values) -> str:
        made = f"{node.output[0]}_real_bias"
        values = self._constant(node, name).astype(np.float64) * step.astype(np.float64)
        self.made[made] = values.astype(np.float32)
        return made

    def _constant(self, node: Any, name: str) -> Values:
        constant = self._constants.get(name)
        if constant is None:
            raise not_here(node, "takes weights or scales that are computed")
        return np.asarray(constant)

    def _size(self, name: str) -> int:
        return int(np.size(self._constants.get(name, 0)))

    def _rename(self, name: str, to: str) -> None:
        self.renamed[name] = self.renamed.get(to, to)


def _pair(kind: str, given: Sequence[str], made: str, *, axis: int | None = None) -> Any:
    """A QuantizeLinear or a DequantizeLinear of values, with their scale and zero point."""
    from onnx import helper

    names = [name for name in given if name]
    return helper.make_node(kind, names, [made], **({} if axis is None else {"axis": axis}))


def _along(values: Values, rank: int, first: bool) -> Values:
    """One value, or one a channel: of a convolution's first axis, of a matrix's last."""
    if values.size == 1:
        return np.asarray(values, np.float32).reshape(())
    shape = [1] * rank
    shape[0 if first else -1] = values.size
    return np.asarray(values, np.float32).reshape(shape)


def _nibbles(packed: Values, bits: int) -> Values:
    """Numbers of four bits, the low ones of each byte first; bytes as they are."""
    if bits == 8:
        return packed
    return np.stack([packed & 0xF, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)
