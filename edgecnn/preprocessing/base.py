"""Interface of all preprocessings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError

FloatArray = npt.NDArray[np.float32]
Tensor = npt.NDArray[Any]
"""What a network takes: float32, or int32 word ids."""


class Preprocessing(Protocol):
    """From one raw sample to one tensor. Each kind is a frozen dataclass that comes back equal
    from its JSON.
    """

    kind: ClassVar[str]
    """The name in the manifest."""
    layout: ClassVar[str]
    """Axes of a batch: "NHWC", "NL", "NLC" or "NDHWC"."""
    dtype: ClassVar[str] = "float32"
    """Of the tensor."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one tensor, without the batch."""

    def __call__(self, sample: Any) -> Tensor:
        """One raw sample → one tensor of `shape` and `dtype`. Raises InputError for a sample
        of another kind.
        """

    def batch(self, samples: Iterable[Any]) -> Tensor:
        """Raw samples → (batch, *shape)."""
        return np.stack([self(sample) for sample in samples])

    def to_dict(self) -> dict[str, Any]:
        """What the manifest holds."""
        return {"kind": self.kind, **asdict(cast(Any, self))}


def check_sizes(what: str, **sizes: int) -> None:
    """Raise InputError for a size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{what} needs a {name} of at least 1, received: {size}")


def check_statistics(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    """Raise InputError unless there is one value or one a channel, and no deviation of 0."""
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise InputError(
                f"{name} has one value or one a channel ({channels}), received: {len(values)}"
            )
    if 0.0 in std:
        raise InputError("std must not contain 0, received: " + repr(tuple(std)))


def standardize(
    values: FloatArray, scale: float, mean: Sequence[float], std: Sequence[float]
) -> FloatArray:
    """(values × scale − mean) / std, channels last."""
    scaled = np.ascontiguousarray(values * np.float32(scale))
    scaled -= np.asarray(mean, np.float32)
    scaled /= np.asarray(std, np.float32)
    return scaled
