"""Parity: compare a converted model's outputs with its parent's on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GateError, InputError
from edgecnn.evaluation.value_ranges import MOST_LEVELS, Floats, Mask, quantization_step, split
from edgecnn.results import Parity, PartParity

Array = npt.NDArray[Any]

SNR_LIMIT_DB = 300.0
"""Where the SNR ends, so that it stays a JSON number when the signal or the error vanishes."""
CHUNK_BYTES = 32 << 20
LEAST_LEVELS = 2.0
"""Steps that a part's range must hold, or nothing of it is left."""
LOST_DB = 3.0
"""Error above half the power of what varies in a part: it says nothing any more."""
NO_VARIATION = 1e-6
LITTLE_VARIATION = 1e-3
FOLLOWS_DB = 20.0
"""What a comparison needs over little variation to prove anything."""


def parity(
    reference: Sequence[Array],
    outputs: Sequence[Array],
    *,
    parent_sha256: str | None = None,
    names: Sequence[str] = (),
    steps: Sequence[float | None] = (),
) -> Parity:
    """Compare the outputs of two models, each a list of (samples, …) arrays in one order.

    The totals judge several outputs as one long vector a sample; `parts` hold each output, and the
    parts of one whose values span ranges of different size, by themselves. `names` are those of the
    outputs, `steps` their quantization steps where a file declares them (else they are seen from
    the values). Top-1 agreement is for one output of class scores (samples, classes ≥ 2), None
    otherwise. NaN and infinity are not an error where the parent has the same there.

    Raises InputError when number or shapes of the outputs differ or there are no samples, and
    GateError when the child is not finite where its parent is: no number could express how far.
    """
    if _are_sequences(reference) and _are_sequences(outputs):
        return sequence_parity(reference[0], outputs[0], parent_sha256=parent_sha256)
    if [array.shape for array in reference] != [array.shape for array in outputs]:
        raise InputError(
            f"outputs {_shapes(outputs)} cannot be compared with the parent's {_shapes(reference)}"
        )
    if not reference or any(0 in array.shape for array in reference):
        raise InputError("no outputs to compare")
    pairs = [_Pair(*pair) for pair in zip(reference, outputs, strict=True)]
    count = len(reference[0])
    broken = int(np.any([pair.broken for pair in pairs], axis=0).sum())
    if broken:
        raise GateError(
            f"outputs are NaN or infinite in {broken} of {count} samples, the parent's are not",
            hint="float16 overflows above 65504: try another recipe, or normalize the inputs",
        )
    signal, error = sum(pair.signal.sum() for pair in pairs), sum(p.error.sum() for p in pairs)
    varied = sum(pair.varied.sum() for pair in pairs)
    answers = _answers(reference, outputs)
    return Parity(
        max_abs_error=max(pair.max_error for pair in pairs),
        snr_db=_ratio_db(signal, error),
        cosine=_cosine(signal, sum(pair.other for pair in pairs), sum(p.dot for p in pairs)),
        top1_agreement=None if answers is None else float(np.mean(answers[0] == answers[1])),
        n=count,
        parent_sha256=parent_sha256,
        variation=_variation(varied, signal) if count > 1 else None,
        follows_db=_ratio_db(varied, error) if count > 1 else None,
        parent_classes=None if answers is None else len(np.unique(answers[0])),
        classes=None if answers is None else len(np.unique(answers[1])),
        parts=tuple(
            part
            for index, pair in enumerate(pairs)
            for part in pair.parts(
                names[index] if index < len(names) else f"output {index}" if index else "output",
                steps[index] if index < len(steps) else None,
            )
        ),
    )


def sequence_parity(
    reference: Array, outputs: Array, *, parent_sha256: str | None = None
) -> Parity:
    """Compare answers (samples, length) of ids, filled up with 0.

    Ids are names, not numbers: they are the same or not. Raises InputError for another number of
    samples, or none.
    """
    if len(reference) != len(outputs) or not len(outputs):
        raise InputError(f"{len(outputs)} answers cannot be compared with {len(reference)}")
    width = max(reference.shape[1], outputs.shape[1])
    ours, theirs = (
        np.pad(array, ((0, 0), (0, width - array.shape[1]))) for array in (reference, outputs)
    )
    written = (ours != 0) | (theirs != 0)
    same = (ours == theirs) & written
    share = float(same.sum() / max(1, written.sum()))
    return Parity(
        max_abs_error=float(share < 1.0),
        snr_db=None,
        cosine=share,
        top1_agreement=float((ours == theirs).all(axis=1).mean()),
        n=len(outputs),
        parent_sha256=parent_sha256,
        same_ids=share,
    )


def _are_sequences(arrays: Sequence[Array]) -> bool:
    """One output of ids, several a sample."""
    return (
        len(arrays) == 1
        and arrays[0].ndim == 2
        and arrays[0].shape[1] > 1
        and arrays[0].dtype.kind in "iu"
    )


class _Pair:
    """One output of both models, summed up entry by entry; memory holds a chunk of samples."""

    def __init__(self, reference: Array, outputs: Array) -> None:
        self.count = len(reference)
        shape = reference.shape[1:]
        first = _finite(reference[:1].astype(np.float64))[0]
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self.child_low, self.child_high = self.low.copy(), self.high.copy()
        self.signal, self.error = np.zeros(shape), np.zeros(shape)
        moved, moved_squared = np.zeros(shape), np.zeros(shape)
        self.max_error = self.other = self.dot = 0.0
        self.broken = np.zeros(self.count, bool)
        self._levels: Array | None = np.zeros(0, outputs.dtype)
        self.one_unit = len(shape) > 0 and shape[-1] > 1
        for start, ours, theirs in chunks(reference, outputs):
            same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
            good = np.isfinite(ours) & np.isfinite(theirs)
            bad = (~good & ~same).reshape(len(ours), -1).any(axis=1)
            self.broken[start : start + len(ours)] = bad
            signal, other = np.where(good, ours, 0.0), np.where(good, theirs, 0.0)
            self.low = np.minimum(self.low, signal.min(axis=0))
            self.high = np.maximum(self.high, signal.max(axis=0))
            self.child_low = np.minimum(self.child_low, other.min(axis=0))
            self.child_high = np.maximum(self.child_high, other.max(axis=0))
            difference = np.abs(other - signal)
            self.max_error = max(self.max_error, float(difference.max()))
            self.error += (difference**2).sum(axis=0)
            self.signal += (signal**2).sum(axis=0)
            self.other += float((other**2).sum())
            self.dot += float((signal * other).sum())
            moved += (signal - first).sum(axis=0)
            moved_squared += ((signal - first) ** 2).sum(axis=0)
            self._note_levels(outputs[start : start + len(ours)])
            self.one_unit = self.one_unit and _sum_to_one(signal)
        self.sums = self.count * first + moved
        # An array also for an output of one number, which numpy would make a scalar of.
        self.varied = np.asarray(np.maximum(moved_squared - moved**2 / self.count, 0.0))
        # What is left of equal numbers after rounding is not variation.
        self.varied[self.low == self.high] = 0.0

    def parts(self, name: str, step: float | None) -> Iterator[PartParity]:
        """The whole output, or each of its parts where there are several."""
        total = self.count * self.low.size
        step = step or quantization_step(self._levels, total)
        for part, mask in split(self.low, self.high, one_unit=self.one_unit):
            yield self._part(name, part, mask, step)

    def _part(self, name: str, part: str, mask: Mask, step: float | None) -> PartParity:
        low, high = float(self.low[mask].min()), float(self.high[mask].max())
        child_low, child_high = (
            float(self.child_low[mask].min()),
            float(self.child_high[mask].max()),
        )
        error, signal = float(self.error[mask].sum()), float(self.signal[mask].sum())
        entries = self.count * int(mask.sum())
        spread = max(signal - float(self.sums[mask].sum()) ** 2 / entries, 0.0)
        differs = high - low > NO_VARIATION * max(abs(low), abs(high))
        flat = child_low == child_high
        coarse = step is not None and step * LEAST_LEVELS > high - low and error > 0
        far = error > 0 and _decibels(spread, error) < LOST_DB
        return PartParity(
            output=name,
            part=part,
            low=low,
            high=high,
            snr_db=_ratio_db(signal, error),
            step=step,
            lost=bool(differs and (flat or coarse or far)),
            left=child_low if flat else None,
        )

    def _note_levels(self, outputs: Array) -> None:
        if self._levels is not None:
            levels = np.unique(np.concatenate([self._levels, np.unique(outputs)]))
            self._levels = levels if len(levels) <= MOST_LEVELS else None


def chunks(reference: Array, outputs: Array) -> Iterator[tuple[int, Floats, Floats]]:
    """Where each chunk of samples begins, and both (n, …) there in float64."""
    each = max(1, 8 * int(np.prod(reference.shape[1:])))
    size = max(1, CHUNK_BYTES // each)
    for start in range(0, len(reference), size):
        yield (
            start,
            np.asarray(reference[start : start + size], np.float64),
            np.asarray(outputs[start : start + size], np.float64),
        )


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, 0.0)


def _sum_to_one(values: Floats) -> bool:
    """Probabilities over the last axis."""
    return bool(values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() < 1e-2)


def _ratio_db(signal: float, error: float) -> float | None:
    """10·log10(signal power / error power), within ±300 dB; None without any error."""
    return None if error == 0.0 else _decibels(float(signal), float(error))


def _decibels(signal: float, error: float) -> float:
    if signal == 0.0:
        return -SNR_LIMIT_DB
    ratio = 10.0 * (np.log10(signal) - np.log10(error))
    return float(np.clip(ratio, -SNR_LIMIT_DB, SNR_LIMIT_DB))


def _variation(varied: float, signal: float) -> float:
    """How much outputs differ between samples, as a share of their size: 0 for a constant."""
    return float(np.sqrt(varied / signal)) if signal > 0 else 0.0


def _cosine(signal: float, other: float, dot: float) -> float:
    """Cosine of the angle between two outputs taken as vectors; two zero vectors are equal."""
    lengths = float(np.sqrt(signal) * np.sqrt(other))
    if lengths == 0.0:
        return 1.0 if signal == 0.0 and other == 0.0 else 0.0
    return float(np.clip(dot / lengths, -1.0, 1.0))


def _answers(reference: Sequence[Array], outputs: Sequence[Array]) -> tuple[Array, Array] | None:
    if len(reference) != 1 or reference[0].ndim != 2 or reference[0].shape[1] < 2:
        return None
    return reference[0].argmax(axis=1), outputs[0].argmax(axis=1)


def _shapes(arrays: Sequence[Array]) -> str:
    return ", ".join(str(array.shape) for array in arrays) or "(none)"
