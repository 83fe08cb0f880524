"""Identify protocol buffers by their field numbers."""

from __future__ import annotations

from pathlib import Path

from edgecnn.formats.kinds import Content
from edgecnn.formats.wire.mapped import mapped
from edgecnn.formats.wire.protobuf import Message

_ONNX_NUMBERS = {1, 5}
_ONNX_MESSAGES = {2, 3, 4, 6, 7, 8, 14, 20, 25, 26}
_GRAPH = 7
_MOST_FIELDS = 200_000


def describe_message(path: Path) -> Content | None:
    """What a protocol buffer of another framework is; None for bytes that are not
    one, or not a known one.
    """
    numbers, messages, whole = _fields(path)
    graph_def = 1 in messages and messages <= {1, 2, 4} and numbers <= {3}
    cases = (
        (
            numbers == {1} and any(number >= 200 for number in messages),
            "a Core ML model",
            "export the network it was made from to ONNX or TFLite",
        ),
        (
            whole and numbers == {1} and messages == {2},
            "the graph of a TensorFlow SavedModel",
            "pass the folder it lies in to TensorFlow's TFLite converter",
        ),
        (whole and 100 in messages, "a Caffe model", "convert it to ONNX first"),
        (
            whole and graph_def,
            "a frozen TensorFlow graph",
            "convert it to ONNX with tf2onnx (python -m tf2onnx.convert --graphdef …)",
        ),
    )
    return next((Content("", what, hint) for applies, what, hint in cases if applies), None)


def is_onnx(path: Path) -> bool:
    """ModelProto: a graph, or what stands before it in a file that breaks off.

    A model that breaks off is one still: how it is damaged is for `check` to say.
    """
    numbers, messages, whole = _fields(path)
    if not numbers <= _ONNX_NUMBERS or not messages <= _ONNX_MESSAGES:
        return False
    before_graph = 1 in numbers and (not whole or 8 in messages)
    return _GRAPH in messages or before_graph


def _fields(path: Path) -> tuple[set[int], set[int], bool]:
    """(numbers of fields that are whole numbers, of those that are messages, to the end?)."""
    numbers: set[int] = set()
    messages: set[int] = set()
    try:
        with mapped(path) as data:
            for count, (number, value) in enumerate(Message.whole(data).fields()):
                (messages if isinstance(value, Message) else numbers).add(number)
                if count > _MOST_FIELDS:
                    return set(), set(), False
    except ValueError:
        return numbers, messages, False
    return numbers, messages, True
