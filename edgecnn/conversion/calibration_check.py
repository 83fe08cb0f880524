"""Check calibration data before a quantizer uses their ranges.

What cannot work is a problem: it refuses the targets that calibrate. What is odd is a warning
that names the samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.calibration import DrawnSamples
from edgecnn.conversion.sources.base import tensors_of
from edgecnn.preprocessing import tensor_range

Floats = npt.NDArray[np.float64]

FEW = 0.02
"""The share of samples that counts as outliers, at least one."""
WIDENED = 4.0
"""How many times wider outliers may make the range before they are named."""
HOPELESS = 32.0
"""From here on all other samples share 8 of 256 levels."""
COVERED = 0.3
"""The share of the model's input range below which samples look like those of another scale."""
MANY_DUPLICATES = 0.1
LEAST_SAMPLES = 4
"""To speak of outliers."""
NAMED = 3


@dataclass(frozen=True)
class CalibrationCheck:
    """What the samples are: `problems` of which any refuses, `warnings` to know about."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    int8_problem: str | None = None
    """Refuses 8 bit; 16 bit has levels enough."""

    def problem_for(self, recipe: str) -> str | None:
        """Why a target of this recipe cannot be calibrated on these samples."""
        if self.problems:
            return self.problems[0]
        return self.int8_problem if recipe.endswith("int8") else None


@dataclass(frozen=True)
class _Facts:
    """One entry a sample, in the order in which they were drawn."""

    numbers: npt.NDArray[np.int64]
    """Places in the split."""
    low: Floats
    high: Floats
    finite: npt.NDArray[np.bool_]
    digests: tuple[bytes, ...]
    real: bool
    elements: int = 2
    """Of one sample."""


def check(samples: DrawnSamples) -> CalibrationCheck:
    """Go once through the prepared samples, one in memory at a time."""
    every = _facts(samples)
    if len(every) == 1:
        (facts,) = every.values()
        only_check = _check_of(facts, samples)
        more = (*_duplicates(facts.digests), *_classes(samples))
        return (
            replace(only_check, warnings=(*more, *only_check.warnings))
            if not only_check.problems
            else only_check
        )
    checks = [(name, _check_of(facts, samples)) for name, facts in every.items()]
    problems = [f"input {name!r}: {text}" for name, check in checks for text in check.problems[:1]]
    if len(problems) < len(checks):  # a switch, or a scale, may well be the same for all samples
        problems = [text for text in problems if "NaN" in text]
    together = tuple(
        b"".join(parts) for parts in zip(*(facts.digests for facts in every.values()), strict=True)
    )
    warnings = [f"input {name!r}: {text}" for name, check in checks for text in check.warnings]
    hopeless = [
        f"input {name!r}: {check.int8_problem}" for name, check in checks if check.int8_problem
    ]
    return CalibrationCheck(
        tuple(problems),
        (*_duplicates(together), *_classes(samples), *warnings),
        hopeless[0] if hopeless else None,
    )


def _check_of(facts: _Facts, samples: DrawnSamples) -> CalibrationCheck:
    """What is seen of one input."""
    split = samples.split_name
    broken = np.flatnonzero(~facts.finite)
    if len(broken):
        named = _named(facts.numbers[broken], split)
        return CalibrationCheck(
            (f"{len(broken)} of {_samples(facts)} hold NaN or infinity ({named})",)
        )
    flat = facts.low == facts.high
    if flat.all() and facts.elements > 1:
        values = np.unique(facts.low)
        value = f"all {values[0]:.4g}" if len(values) == 1 else "each of one value"
        return CalibrationCheck((f"{_samples(facts)} are constant ({value}): no range to learn",))
    warnings = [*(_flat(facts, flat, split) if facts.elements > 1 else ()), *_scale(facts, samples)]
    hopeless = None
    if facts.real:
        widened, sentence = _outliers(facts, split)
        if widened >= HOPELESS:
            hopeless = sentence
        if widened >= WIDENED:
            warnings.append(sentence)
    return CalibrationCheck((), tuple(warnings), hopeless)


def _facts(samples: DrawnSamples) -> dict[str, _Facts]:
    """What each input gets, by its name; of data of one tensor a sample its only one."""
    names = [spec.name for spec in samples.inputs] if samples.preprocessing is None else [""]
    columns: list[list[tuple[float, float, bool, bytes]]] = [[] for _ in names]
    kinds = [(False, 0)] * len(names)
    for sample in samples:
        for place, tensor in enumerate(tensors_of(sample)):
            values = np.asarray(tensor)
            real = values.dtype.kind == "f"
            kinds[place] = (real, values.size)
            good = bool(values.size) and (not real or bool(np.isfinite(values).all()))
            ends = (float(values.min()), float(values.max())) if good else (0.0, 0.0)
            content = np.ascontiguousarray(values).tobytes()
            columns[place].append((*ends, good, blake2b(content, digest_size=16).digest()))
    facts = {}
    for name, column, (real, elements) in zip(names, columns, kinds, strict=True):
        low, high, finite, digests = zip(*column, strict=True)
        facts[name] = _Facts(
            samples.indices,
            np.asarray(low),
            np.asarray(high),
            np.asarray(finite, bool),
            digests,
            real,
            elements,
        )
    return facts


def _flat(facts: _Facts, flat: npt.NDArray[np.bool_], split: str) -> Iterator[str]:
    if flat.any():
        named = _named(facts.numbers[flat], split)
        yield f"{int(flat.sum())} of {_samples(facts)} are of one value each ({named})"


def _duplicates(digests: tuple[bytes, ...]) -> Iterator[str]:
    count = len(digests)
    distinct = len(Counter(digests))
    if count == 1:
        yield "one calibration sample: its range is all that the quantizer knows"
    elif distinct == 1:
        yield f"all {count} calibration samples are the same one"
    elif count - distinct >= MANY_DUPLICATES * count:
        yield f"{count - distinct} of {count} calibration samples repeat another one"


def _classes(samples: DrawnSamples) -> Iterator[str]:
    dataset = samples.dataset
    classes = len(dataset.labels)
    if dataset.task != "classification" or classes < 2:
        return
    seen = set(_numbers(samples.ground_truth))
    if len(seen) == 1:
        yield f"all calibration samples are of one class of {classes} ({_label(dataset, seen)})"
    elif len(samples) < classes:
        yield f"{len(samples)} calibration samples are fewer than the {classes} classes"
    elif len(seen) <= classes / 2:
        yield f"the calibration samples show {len(seen)} of {classes} classes"


def _numbers(labels: list[Any]) -> list[int]:
    return [int(value) for value in labels]


def _label(dataset: Any, seen: set[int]) -> str:
    (number,) = seen
    return str(dataset.labels[number]) if 0 <= number < len(dataset.labels) else str(number)


def _scale(facts: _Facts, samples: DrawnSamples) -> Iterator[str]:
    expected = tensor_range(samples.preprocessing)
    if expected is None:
        return
    low, high = float(facts.low.min()), float(facts.high.max())
    covered = (high - low) / (expected[1] - expected[0])
    if covered < COVERED:
        yield (
            f"the calibration samples lie in {low:.3g}…{high:.3g}, {covered:.0%} of the model's "
            f"input range {expected[0]:.3g}…{expected[1]:.3g}: too dark, or of another scale"
        )


def _outliers(facts: _Facts, split: str) -> tuple[float, str]:
    """(how many times wider a few samples make the range, the sentence that names them)."""
    count = len(facts.low)
    if count < LEAST_SAMPLES:
        return 1.0, ""
    few = max(1, int(FEW * count))
    low, high = float(np.sort(facts.low)[few]), float(np.sort(facts.high)[-1 - few])
    whole = float(facts.high.max() - facts.low.min())
    if high <= low:
        return 1.0, ""
    outside = np.flatnonzero((facts.low < low) | (facts.high > high))
    further = np.maximum(low - facts.low[outside], facts.high[outside] - high)
    worst = outside[further > (high - low)]
    named = _named(facts.numbers[worst], split) if len(worst) else ""
    widened = whole / (high - low)
    who = "one calibration sample widens" if len(worst) == 1 else f"{len(worst)} samples widen"
    return widened, (
        f"{who} the range from {low:.3g}…{high:.3g} to "
        f"{facts.low.min():.3g}…{facts.high.max():.3g} ({named}): 8 bit leave "
        f"{max(1, round(256 / widened))} of 256 levels for the rest"
    )


def _samples(facts: _Facts) -> str:
    return f"{len(facts.low)} calibration samples"


def _named(numbers: npt.NDArray[np.int64], split: str) -> str:
    listing = ", ".join(str(number) for number in sorted(numbers.tolist())[:NAMED])
    return f"{split} {listing}{', …' if len(numbers) > NAMED else ''}"
