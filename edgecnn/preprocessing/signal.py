"""From a recording to the tensor a 1-D network wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import (
    FloatArray,
    Preprocessing,
    check_sizes,
    check_statistics,
    standardize,
)

Level = Literal["as_is", "rms"]


@dataclass(frozen=True)
class SignalPreprocessing(Preprocessing):
    """Samples over time (n,) or (n, channels) → float32 (length, channels).

    Several channels are averaged where one is wanted. Values become (x × scale − mean) / std;
    with `level="rms"` each recording is then divided by its own root mean square, so that a
    quiet speaker counts as much as a loud one (silence stays silence). What is longer than
    `length` keeps its middle, what is shorter is centered among zeros.
    """

    length: int
    channels: int = 1
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    level: Level = "as_is"

    kind: ClassVar[str] = "signal"
    layout: ClassVar[str] = "NLC"

    def __post_init__(self) -> None:
        check_sizes("a signal tensor", length=self.length, channels=self.channels)
        check_statistics(self.mean, self.std, self.channels)
        if self.level not in ("as_is", "rms"):
            raise InputError(f"level is 'as_is' or 'rms', received: {self.level!r}")

    @property
    def shape(self) -> tuple[int, int]:
        """(length, channels) of the tensor."""
        return (self.length, self.channels)

    def __call__(self, sample: Any) -> FloatArray:
        """One recording (n,) or (n, channels), int16 or float → float32 (length, channels)."""
        values = standardize(self._to_channels(np.asarray(sample)), self.scale, self.mean, self.std)
        if self.level == "rms":
            rms = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
            values = values / np.float32(rms or 1.0)
        return self._fit(values)

    def _to_channels(self, values: Any) -> FloatArray:
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or 0 in values.shape or values.shape[1] != self.channels != 1:
            raise InputError(
                f"a signal is (samples,) or (samples, {self.channels}), received: {values.shape}"
            )
        floats: FloatArray = values.astype(np.float32)
        if floats.shape[1] != self.channels:
            return np.asarray(floats.mean(axis=1, keepdims=True), np.float32)
        return floats

    def _fit(self, values: FloatArray) -> FloatArray:
        spare = self.length - len(values)
        if spare <= 0:
            start = -spare // 2
            return np.ascontiguousarray(values[start : start + self.length])
        fitted = np.zeros(self.shape, np.float32)
        fitted[spare // 2 : spare // 2 + len(values)] = values
        return fitted
