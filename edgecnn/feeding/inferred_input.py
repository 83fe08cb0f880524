"""Infer a model's expected input from the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.errors import InputError
from edgecnn.feeding.ranges import expected_by, expected_of
from edgecnn.formats.front import InputOperators, read_input_operators
from edgecnn.formats.kinds import by_suffix
from edgecnn.preprocessing import (
    ImagePreprocessing,
    Preprocessing,
    with_preset,
    with_statistics,
)
from edgecnn.preprocessing.fed import Source, describe_values

_MAIN_STEPS = 3


@dataclass(frozen=True)
class InferredInput:
    """A preset, or a mean and a deviation in pixels of 0…255, and the evidence in words."""

    known_from: Source
    because: str
    preset: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def applied(self, base: Preprocessing) -> Preprocessing:
        """`base`, which fits samples to the model's size, with the proven values.

        Raises InputError where the samples are of another kind: of samples that are not images
        only a model that scales by itself says that they are taken as they are.
        """
        if not isinstance(base, ImagePreprocessing) and self.known_from != "model":
            raise InputError(f"{self.because}, which speaks of images, not of: {base.kind}")
        if self.mean:
            return with_statistics(base, self.mean, self.std)
        return with_preset(base, self.preset)

    def expects(self, base: Preprocessing) -> str:
        """The proven values in words."""
        return describe_values(self.applied(base))


def infer_from_file(path: Path) -> InferredInput | None:
    """What a model file proves; None where it proves nothing.

    `.tflite` and `.onnx` are read as files. A `.keras` file is loaded by Keras, unless it would
    run code; see `keras_model.prove_file`.
    """
    known = by_suffix(path)
    infer_input = known.function("proof") if known else None
    if infer_input is not None:
        proof: InferredInput | None = infer_input(path)
        return proof
    front = read_input_operators(path)
    return None if front is None else infer_from_first_operators(front)


def infer_from_first_operators(front: InputOperators) -> InferredInput | None:
    """What the first operators, the quantization and the metadata of a file prove."""
    if front.mean:
        return InferredInput(
            "metadata",
            f"the metadata in the file says (pixel − {_values_text(front.mean)}) / "
            f"{_values_text(front.std)}",
            mean=front.mean,
            std=front.std,
        )
    by_steps = expected_by(front.scale, front.offset)
    if by_steps is not None:
        return InferredInput("model", f"the model begins with {named(front.steps)}", by_steps)
    if front.low is not None and front.high is not None:
        by_range = expected_of(front.low, front.high)
        what = f"{front.dtype} input" if "int" in front.dtype else "first integer tensor"
        because = f"its {what} holds {front.low:.3g}…{front.high:.3g}".replace("-", "−")
        if front.dtype in ("int8", "uint8"):
            because += f" (scale {(front.high - front.low) / 255:.3g})"
        if by_range is not None:
            return InferredInput("quantization", because, by_range)
        if max(abs(front.low + 128), abs(front.high - 127)) < 1.5:  # a pixel kept in an int8
            return InferredInput("quantization", because, mean=(128.0,), std=(1.0,))
    if front.dtype == "uint8" and front.low is None:
        return InferredInput("quantization", "its input is uint8 without a scale", "raw")
    return None


def named(steps: Sequence[str]) -> str:
    """The first steps that change values, in words."""
    changes = [step for step in steps if step]
    more = " …" if len(changes) > _MAIN_STEPS else ""
    return ", ".join(changes[:_MAIN_STEPS]) + more


def _values_text(values: tuple[float, ...]) -> str:
    if len(set(np.round(values, 6))) == 1:
        return f"{values[0]:g}"
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
