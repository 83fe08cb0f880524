"""Sentences as word numbers: some words are forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN = 1
"""Word numbers: 0 pads, 1 is an unknown word, from 2 on they are the vocabulary's."""


@dataclass(frozen=True)
class Words:
    """Each word is taken for an unknown one with probability `drop` (Iyyer 2015)."""

    drop: float

    def __call__(self, tensors: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """Word numbers (batch, length) → the same with some set to 1."""
        dropped = (rng.random(tensors.shape, np.float32) < self.drop) & (tensors > UNKNOWN)
        return np.where(dropped, np.asarray(UNKNOWN, tensors.dtype), tensors)
