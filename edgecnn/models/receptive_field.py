"""Theoretical receptive fields: what part of the input a unit of each layer can see.

Layer by layer: a window of k on maps of stride j widens the field by (k - 1)·j, and its own
stride multiplies j (A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional
neural networks", Distill 2019). Where branches meet, the widest counts; one that every place
shares (squeeze and excite) only widens the fields of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecnn.errors import UnsupportedError
from edgecnn.models.graph import Call, calls

if TYPE_CHECKING:
    import keras


class ReceptiveField(NamedTuple):
    """Of a layer's units along the axis where it is widest, in units of the input.

    `size` counts padding as input. `stride` is the distance from one unit's field to the next
    one's. `offset` is the middle of the first unit's field, where the input begins at 0 and its
    first pixel ends at 1; the field of unit i reaches from offset + i·stride - size / 2 to
    offset + i·stride + size / 2.
    """

    size: int
    stride: float
    offset: float


@dataclass(frozen=True)
class _Axis:
    """One axis of a tensor: `extent` units; the first unit's field begins at `begin`."""

    extent: int
    size: int = 1
    stride: float = 1
    begin: float = 0

    def windowed(self, window: int, step: int, left: int, extent: int) -> _Axis:
        """After a layer that sees `window` units at once, every `step`, from -`left` on."""
        return _Axis(
            extent=extent,
            size=self.size + int((window - 1) * self.stride),
            stride=self.stride * step,
            begin=self.begin - left * self.stride,
        )

    def whole(self) -> _Axis:
        """After a layer of which every unit sees all units of this one."""
        return self.windowed(self.extent, self.extent, 0, 1)


_Field = tuple[_Axis, ...]


def receptive_fields(model: keras.Model) -> dict[str, ReceptiveField]:
    """Layer name → (size, stride, offset), in the order of the model's calls.

    After global pooling or Flatten a unit sees what all units before it saw. A layer that mixes
    places in a way of its own (attention, recurrence) counts as seeing all of them.

    Raises UnsupportedError for a subclassed model, or one with open sizes.
    """
    fields: dict[int, _Field] = {}
    by_layer: dict[str, ReceptiveField] = {}
    graph = calls(model)  # held: the ids below are those of its tensors
    for call in graph:
        field = _after(call, [fields[id(tensor)] for tensor in call.inputs if id(tensor) in fields])
        for tensor in call.outputs:
            fields[id(tensor)] = field
        widest = max(field, key=lambda axis: axis.size)
        by_layer[call.layer.name] = ReceptiveField(
            widest.size, widest.stride, widest.begin + widest.size / 2
        )
    return by_layer


def _after(call: Call, before: list[_Field]) -> _Field:
    if not before:
        return _of_input(call.outputs[0].shape)
    _check_closed(call)
    field = _widest(before)
    change = _CHANGES.get(call.kind)
    if change is not None:
        return change(call, field)
    if call.kind.startswith("Global") or call.kind == "Flatten" or not _keeps_places(call, field):
        return tuple(axis.whole() for axis in field)
    return field


def _of_input(shape: Sequence[int | None]) -> _Field:
    """(batch, *places, channels), or (batch, places) of words or numbers."""
    places = shape[1:-1] if len(shape) > 2 else shape[1:]
    if None in places:
        raise UnsupportedError(
            f"receptive fields need an input of fixed size, received: {tuple(shape[1:])}"
        )
    return tuple(_Axis(int(extent)) for extent in places if extent is not None)


def _check_closed(call: Call) -> None:
    shape = tuple(call.outputs[0].shape[1:])
    if None in shape:
        raise UnsupportedError(
            f"receptive fields need fixed sizes, the output of {call.layer.name} is {shape}"
        )


def _widest(branches: list[_Field]) -> _Field:
    """Where branches meet. A branch with fewer units is repeated at every place of the others."""
    return tuple(_joined(axes) for axes in zip(*branches, strict=True))


def _joined(axes: Sequence[_Axis]) -> _Axis:
    extent = max(axis.extent for axis in axes)
    own = max((axis for axis in axes if axis.extent == extent), key=lambda axis: axis.size)
    size = max(axis.size for axis in axes)
    return replace(own, size=size, begin=own.begin - (size - own.size) / 2)


def _keeps_places(call: Call, field: _Field) -> bool:
    """Whether each output unit comes of the unit at its own place (and of all channels there)."""
    if call.kind in _ANYWHERE:
        return False
    extents = tuple(axis.extent for axis in field)
    shape = tuple(call.outputs[0].shape[1:])
    mixes_vector = call.kind == "Dense" and len(shape) == 1
    return not mixes_vector and (shape[: len(extents)] == extents or set(extents) == {1})


def _places(call: Call) -> tuple[int, ...]:
    return tuple(call.outputs[0].shape[1:-1])


def _window(call: Call, field: _Field) -> _Field:
    """A convolution or a pooling layer."""
    layer = call.layer
    sizes = getattr(layer, "kernel_size", None) or layer.pool_size
    dilations = getattr(layer, "dilation_rate", None) or (1,) * len(field)
    after = []
    for axis, size, step, dilation, extent in zip(
        field, _each(sizes, field), _each(layer.strides, field), _each(dilations, field),
        _places(call), strict=True,
    ):  # fmt: skip
        window = (size - 1) * dilation + 1
        left = 0
        if layer.padding == "same":
            left = max((extent - 1) * step + window - axis.extent, 0) // 2
        elif layer.padding == "causal":
            left = window - 1
        after.append(axis.windowed(window, step, left, extent))
    return tuple(after)


def _padding(call: Call, field: _Field) -> _Field:
    sign = -1 if call.kind.startswith("Cropping") else 1
    amounts = call.layer.cropping if sign < 0 else call.layer.padding
    pairs = amounts if isinstance(amounts[0], tuple) else (amounts,)
    return tuple(
        axis.windowed(1, 1, sign * before, extent)
        for axis, (before, _), extent in zip(field, pairs, _places(call), strict=True)
    )


def _upsampling(call: Call, field: _Field) -> _Field:
    """Nearest: units side by side see the same; their fields' middles lie closer together."""
    after = []
    for axis, factor, extent in zip(
        field, _each(call.layer.size, field), _places(call), strict=True
    ):
        stride = axis.stride / factor
        begin = axis.begin - (axis.stride - stride) / 2
        after.append(replace(axis, extent=extent, stride=stride, begin=begin))
    return tuple(after)


def _each(sizes: Any, field: _Field) -> tuple[int, ...]:
    return (sizes,) * len(field) if isinstance(sizes, int) else tuple(sizes)


_RANKS = ("1D", "2D", "3D")
_WINDOWS = ("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling")
_CHANGES: dict[str, Callable[[Call, _Field], _Field]] = {
    **{f"{kind}{rank}": _window for kind in _WINDOWS for rank in _RANKS},
    **{f"{kind}{rank}": _padding for kind in ("ZeroPadding", "Cropping") for rank in _RANKS},
    **{f"UpSampling{rank}": _upsampling for rank in _RANKS},
}
_ANYWHERE = ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention",
             "LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN", "ConvLSTM1D", "ConvLSTM2D",
             "ConvLSTM3D")  # fmt: skip
