"""Operators of `.tflite` files that OpenVINO 2026.4 does not read, put together from its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def extensions(operators: Iterable[str]) -> list[Any]:
    """What an `openvino.Core` needs to read a file with these operators, as `add_extension` takes
    it; empty for most files.
    """
    wanted = sorted(set(operators) & set(_TRANSLATORS))
    if not wanted:
        return []
    from openvino.frontend import ConversionExtension

    return [ConversionExtension(name, _TRANSLATORS[name]) for name in wanted]


def _padded(node: Any) -> list[Any]:
    """PADV2: data, what is added before and behind (rank, 2), and with which value."""
    from openvino import opset14 as operators

    data, value = _real(node.get_input(0)), _real(node.get_input(2))
    turned = operators.transpose(node.get_input(1), operators.constant([1, 0]))
    before, behind = (
        operators.squeeze(part, operators.constant([0]))
        for part in operators.split(turned, operators.constant(0), 2).outputs()
    )
    scalar = operators.reshape(value, operators.constant([], dtype="int64"), special_zero=False)
    filled_with = operators.convert_like(scalar, data)
    return list(operators.pad(data, before, behind, "constant", filled_with).outputs())


def _between_ones(node: Any) -> list[Any]:
    """RELU_N1_TO_1."""
    from openvino import opset14 as operators

    return list(operators.clamp(_real(node.get_input(0)), -1.0, 1.0).outputs())


def _real(output: Any) -> Any:
    """The real values of a tensor that the file quantizes: integers stand in a node of their own
    until OpenVINO has read the whole file.
    """
    from openvino import opset14 as operators

    if output.get_node().get_type_name() != "TFLQuantize":
        return output
    return operators.convert(output, "f32").output(0)


_TRANSLATORS: Mapping[str, Callable[[Any], list[Any]]] = {
    "PADV2": _padded,
    "RELU_N1_TO_1": _between_ones,
}
