"""A graph of operators over tensors, the same for every format, and the sums over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from edgecnn.errors import UnsupportedError

BITS: Mapping[str, int] = {
    "complex128": 128,
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 64),
    **dict.fromkeys(("float32", "int32", "uint32"), 32),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 16),
    **dict.fromkeys(("int8", "uint8", "bool", "float8e4m3fn", "float8e5m2"), 8),
    **dict.fromkeys(("int4", "uint4"), 4),
    "int2": 2,
}


class UncountableError(UnsupportedError):
    """The cost of this model is not known from its file."""


@dataclass(frozen=True)
class GraphCost:
    """What one sample (batch 1) costs.

    `parameters` are numbers the operators compute with, `weight_bytes` their size in the file,
    `activation_bytes` what all operators read and write besides.
    """

    macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int

    def bytes_moved(self, batch: int) -> int:
        """In one inference of `batch` samples: weights once, activations for each sample."""
        return self.weight_bytes + batch * self.activation_bytes


@dataclass(frozen=True)
class Tensor:
    """Shape (batch included), dtype, and whether its values lie in the file."""

    shape: tuple[int, ...]
    dtype: str
    constant: bool = False

    def __post_init__(self) -> None:
        if any(size < 0 for size in self.shape):
            raise ValueError(f"a tensor has the shape {self.shape}")

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        if self.dtype not in BITS:
            raise UncountableError(f"the size of {self.dtype} is not known")
        return (self.size * BITS[self.dtype] + 7) // 8


@dataclass(frozen=True)
class CostedOperator:
    """One operator.

    `role` is "compute" (it has `macs`), "move" (it reads and writes), "view" (it does neither,
    or every runtime fuses it into what comes before, like a ReLU), "affine" (a view when one
    of its inputs is constant, like the scale of a batch normalization), "quantize" or
    "dequantize" (fused into their neighbors where they have some).
    `weights` are those of its inputs that count as parameters when they are constant.
    """

    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    role: str = "move"
    macs: int = 0
    weights: tuple[str, ...] = ()


@dataclass(frozen=True)
class CostedGraph:
    tensors: Mapping[str, Tensor]
    operators: Sequence[CostedOperator]
    inputs: Sequence[str]
    batch: int = 1
    """How many samples the shapes hold."""

    def cost(self) -> GraphCost:
        """Sum up; what depends on constants alone is computed once, not in every inference."""
        origin = self._constants()
        stored = self._stored()
        weights: dict[str, Tensor] = {}
        macs = moved = 0
        for operator in self.operators:
            if all(name in origin for name in operator.outputs):
                continue  # computed before the first inference
            macs += operator.macs
            for name in operator.weights:
                for source in origin.get(name, ()):
                    weights[source] = self.tensors[source]
            constant = any(name in origin for name in operator.inputs)
            if operator.role == "view" or (operator.role == "affine" and constant):
                continue
            if self._is_fused(operator):
                continue
            flowing = [name for name in operator.inputs if name not in origin]
            moved += sum(stored[name] for name in (*flowing, *operator.outputs) if name in stored)
        return GraphCost(
            macs=macs // self.batch,
            parameters=sum(tensor.size for tensor in weights.values()),
            weight_bytes=sum(tensor.bytes for tensor in weights.values()),
            activation_bytes=round(Fraction(moved, self.batch)),
        )

    def _constants(self) -> dict[str, tuple[str, ...]]:
        """Each constant tensor with the tensors of the file that it is made of."""
        origin: dict[str, tuple[str, ...]] = {
            name: (name,) for name, tensor in self.tensors.items() if tensor.constant
        }
        for operator in self.operators:
            if operator.inputs and all(name in origin for name in operator.inputs):
                # Of a quantized weight the values count, not its scales.
                first = operator.role in ("quantize", "dequantize", "view")
                names = operator.inputs[:1] if first else operator.inputs
                sources = tuple(source for name in names for source in origin[name])
                origin |= dict.fromkeys(operator.outputs, sources)
        return origin

    def _stored(self) -> dict[str, int]:
        """Bytes of each tensor as it lies in memory: quantized where a neighbor quantizes it."""
        readers = Counter(name for operator in self.operators for name in set(operator.inputs))
        sizes = {name: tensor.bytes for name, tensor in self.tensors.items()}
        for operator in self.operators:
            if operator.role == "dequantize" and readers[operator.outputs[0]]:
                sizes[operator.outputs[0]] = sizes[operator.inputs[0]]
        for operator in self.operators:
            if operator.role == "quantize" and readers[operator.inputs[0]] == 1:
                sizes[operator.inputs[0]] = sizes[operator.outputs[0]]
        for name in self.inputs:
            sizes[name] = self.tensors[name].bytes
        return sizes

    def _is_fused(self, operator: CostedOperator) -> bool:
        """Whether a (de)quantization disappears into the operators around it."""
        if operator.role == "quantize":
            return operator.inputs[0] not in self.inputs
        return operator.role == "dequantize" and any(
            operator.outputs[0] in other.inputs for other in self.operators
        )


def refuse(types: Iterable[str]) -> None:
    """Raise UncountableError naming operators whose work is not known."""
    names = sorted(set(types))
    if names:
        raise UncountableError(
            f"the cost of {', '.join(names)} is not known",
            hint="the model still runs; its row has no roofline",
        )
