"""A network in numbers: each layer's output, parameters, work and receptive field, and the sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from edgecnn.deprecation import old_names
from edgecnn.models.graph import Call, calls, elements, macs
from edgecnn.models.receptive_field import ReceptiveField, receptive_fields

if TYPE_CHECKING:
    import keras

FLOAT_BYTES = 4
_IN_PLACE = ("BatchNormalization", "ReLU", "LeakyReLU", "ELU", "Activation", "Softmax", "Dropout",
             "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Flatten",
             "Reshape")  # fmt: skip


@dataclass(frozen=True)
class LayerSummary:
    """One call of a layer. Shapes are without the batch, work is for one sample."""

    name: str
    kind: str
    details: str
    """What the kind alone does not say: "3×3, 64, /2"."""
    output_shape: tuple[int, ...]
    parameters: int
    macs: int | None
    """None where the work of such a layer is not known."""
    receptive_field: ReceptiveField
    reads: tuple[str, ...]
    """Names of the layers whose outputs go in."""


@dataclass(frozen=True)
class ModelSummary:
    """A network and its layers, each after those it reads."""

    name: str
    input_shape: tuple[int, ...]
    input_dtype: str
    outputs: tuple[tuple[int, ...], ...]
    layers: tuple[LayerSummary, ...]
    parameters: int
    trained_parameters: int
    peak_activation_elements: int
    """Most numbers that must lie in memory at once between layers, for one sample: layers one
    after another in this order; normalization, activations, dropout and views work in place."""

    @property
    def macs(self) -> int | None:
        """Of all layers; None when one of them is not known."""
        works = [layer.macs for layer in self.layers]
        return None if None in works else sum(work for work in works if work is not None)

    @property
    def weight_bytes(self) -> int:
        """In float32."""
        return self.parameters * FLOAT_BYTES

    @property
    def peak_activation_bytes(self) -> int:
        """In float32."""
        return self.peak_activation_elements * FLOAT_BYTES

    @property
    def memory_bytes(self) -> int:
        """Weights and the most that lies between layers, in float32."""
        return self.weight_bytes + self.peak_activation_bytes

    @property
    def receptive_field(self) -> int:
        """Of the last maps: the widest of layers that still have several places."""
        return max(
            (layer.receptive_field.size for layer in self.layers if len(layer.output_shape) > 1),
            default=1,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        layers = [
            {**asdict(layer), "receptive_field": layer.receptive_field._asdict()}
            for layer in self.layers
        ]
        return {
            **asdict(self),
            "layers": layers,
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "peak_activation_bytes": self.peak_activation_bytes,
            "memory_bytes": self.memory_bytes,
            "receptive_field": self.receptive_field,
        }


def summarize(model: keras.Model) -> ModelSummary:
    """Read a built model.

    A layer's parameters count at its first call. Raises UnsupportedError for a subclassed model,
    or one with open sizes.
    """
    graph = list(calls(model))
    return ModelSummary(
        name=model.name,
        input_shape=tuple(model.inputs[0].shape[1:]),
        input_dtype=str(model.inputs[0].dtype),
        outputs=tuple(tuple(output.shape[1:]) for output in model.outputs),
        layers=tuple(_layers(graph, receptive_fields(model))),
        parameters=model.count_params(),
        trained_parameters=sum(prod(weight.shape) for weight in model.trainable_weights),
        peak_activation_elements=_peak(graph),
    )


def _layers(graph: Sequence[Call], fields: dict[str, ReceptiveField]) -> Iterator[LayerSummary]:
    maker: dict[int, str] = {}
    seen: set[str] = set()
    for call in graph:
        name = call.layer.name
        maker.update((id(tensor), name) for tensor in call.outputs)
        first = name not in seen
        seen.add(name)
        yield LayerSummary(
            name=name,
            kind=call.kind,
            details=_details(call),
            output_shape=tuple(call.outputs[0].shape[1:]),
            parameters=sum(prod(weight.shape) for weight in _weights(call)) if first else 0,
            macs=macs(call),
            receptive_field=fields[name],
            reads=tuple(maker[id(tensor)] for tensor in call.inputs),
        )


def _weights(call: Call) -> list[Any]:
    return list(getattr(call.layer, "weights", ()))


def _details(call: Call) -> str:
    layer = call.layer
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    strides = getattr(layer, "strides", None)
    parts = []
    if window is not None:
        parts.append(_times(window))
    for attribute in ("filters", "units", "rate"):
        value = getattr(layer, attribute, None)
        if value is not None:
            parts.append(f"{value:.3g}" if isinstance(value, float) else str(value))
            break
    if strides is not None and max(_sizes(strides)) > 1:
        parts.append(f"/{max(_sizes(strides))}")
    return ", ".join(parts)


def _times(sizes: Any) -> str:
    return "×".join(map(str, _sizes(sizes)))


def _sizes(sizes: Any) -> tuple[int, ...]:
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)


def _peak(graph: Sequence[Call]) -> int:
    """Most numbers alive at one call: what it reads, what it writes, what is needed later."""
    last_use = {id(tensor): index for index, call in enumerate(graph) for tensor in call.inputs}
    alive: dict[int, int] = {}
    peak = 0
    for index, call in enumerate(graph):
        ending = [id(tensor) for tensor in call.inputs if last_use[id(tensor)] == index]
        in_place = call.kind in _IN_PLACE and ending
        if in_place:
            for tensor_id in ending:
                alive.pop(tensor_id, None)
        for tensor in call.outputs:
            alive[id(tensor)] = elements(tensor)
        peak = max(peak, sum(alive.values()))
        for tensor_id in ending:
            alive.pop(tensor_id, None)
    return peak


__getattr__ = old_names(__name__, {"Layer": "LayerSummary", "Summary": "ModelSummary"})
