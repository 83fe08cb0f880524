"""How far a converted model's outputs are from its parent's, on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GateError, InputError
from edgecnn.results import Parity

Array = npt.NDArray[Any]

SNR_LIMIT_DB = 300.0
"""Where the SNR ends, so that it stays a JSON number when the signal or the error vanishes."""


def parity(
    reference: Sequence[Array], outputs: Sequence[Array], *, parent_sha256: str | None = None
) -> Parity:
    """Compare the outputs of two models, each a list of (samples, …) arrays in one order.

    Several outputs are judged as one long vector a sample. Top-1 agreement is for one output
    of class scores (samples, classes ≥ 2), None otherwise. NaN and infinity are no error where
    the parent has the same there.

    Raises InputError when number or shapes of the outputs differ or there are no samples, and
    GateError when the child is not finite where its parent is: no number could tell how far.
    """
    if [array.shape for array in reference] != [array.shape for array in outputs]:
        raise InputError(
            f"outputs {_shapes(outputs)} cannot be compared with the parent's {_shapes(reference)}"
        )
    if not reference or any(0 in array.shape for array in reference):
        raise InputError("no outputs to compare")
    count = len(reference[0])
    expected = _flatten(reference, count)
    received = _flatten(outputs, count)
    same = (expected == received) | (np.isnan(expected) & np.isnan(received))
    finite = np.isfinite(expected) & np.isfinite(received)
    broken = int(np.any(~finite & ~same, axis=1).sum())
    if broken:
        raise GateError(
            f"outputs are NaN or infinite in {broken} of {count} samples, the parent's are not",
            hint="float16 overflows above 65504: try another recipe, or normalise the inputs",
        )
    signal = np.where(finite, expected, 0.0)
    other = np.where(finite, received, 0.0)
    return Parity(
        max_abs_error=float(np.max(np.abs(other - signal))),
        snr_db=_snr_db(signal, other - signal),
        cosine=_cosine(signal, other),
        top1_agreement=_top1_agreement(reference, outputs),
        n=count,
        parent_sha256=parent_sha256,
    )


def _flatten(arrays: Sequence[Array], count: int) -> npt.NDArray[np.float64]:
    return np.concatenate([array.reshape(count, -1).astype(np.float64) for array in arrays], axis=1)


def _snr_db(signal: Array, error: Array) -> float | None:
    """10·log10(signal power / error power), within ±300 dB; None without any error."""
    error_power = float(np.sum(error**2))
    signal_power = float(np.sum(signal**2))
    if error_power == 0.0:
        return None
    if signal_power == 0.0:
        return -SNR_LIMIT_DB
    ratio = 10.0 * (np.log10(signal_power) - np.log10(error_power))
    return float(np.clip(ratio, -SNR_LIMIT_DB, SNR_LIMIT_DB))


def _cosine(a: Array, b: Array) -> float:
    """Cosine of the angle between two outputs taken as vectors; two zero vectors are alike."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if lengths == 0.0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(np.clip(np.sum(a * b) / lengths, -1.0, 1.0))


def _top1_agreement(reference: Sequence[Array], outputs: Sequence[Array]) -> float | None:
    if len(reference) != 1 or reference[0].ndim != 2 or reference[0].shape[1] < 2:
        return None
    return float(np.mean(reference[0].argmax(axis=1) == outputs[0].argmax(axis=1)))


def _shapes(arrays: Sequence[Array]) -> str:
    return ", ".join(str(array.shape) for array in arrays) or "(none)"
