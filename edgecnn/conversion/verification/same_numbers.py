"""Check that an exported float file is numerically equivalent to its parent.

Some converters write a file that loads and answers something else, or reads past its weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from edgecnn.conversion.sources.base import Sample
from edgecnn.conversion.verification.verify import load_session, verify
from edgecnn.errors import EdgeCNNError, UnsupportedError
from edgecnn.formats.id_tables import id_limits
from edgecnn.runtimes.base import Session

_HINT = "a tflite or onnx target may take the model"
_MOST = {False: 0.01, True: 0.05}
"""The largest difference between outputs, of their spread, for float32 and float16 weights."""
FEW = 2
LEAST_DB = 40.0
"""An error of a hundredth: float32 rounds to a millionth, the twin of a float16 file to a
thousandth."""
LEAST_ERROR = 1e-5
"""Below it outputs of almost nothing differ."""


def check_same_numbers(onnx_path: Path, path: Path, tool: str, *, half: bool) -> None:
    """Run both files on two made-up samples. Raises UnsupportedError where they disagree."""
    before = load_session(onnx_path)
    try:
        after = load_session(path)
    except EdgeCNNError as error:
        raise UnsupportedError(
            f"{tool} writes a file that does not run: {error.message}", hint=_HINT
        ) from error
    limits = id_limits(onnx_path)
    rng = np.random.default_rng(0)
    for _ in range(2):
        tensors = []
        for index, spec in enumerate(before.inputs):
            shape = tuple(size or 1 for size in spec.shape)
            limit = limits[index] if index < len(limits) else None
            if np.dtype(spec.dtype).kind == "f":
                tensors.append(rng.random(shape).astype(spec.dtype))
            else:
                tensors.append(rng.integers(0, limit or 2, shape).astype(spec.dtype))
        expected, got = _answers(before, tensors), _answers(after, tensors)
        for name, wanted in expected.items():
            differs = _difference(wanted, got.get(name), _MOST[half])
            if differs:
                raise UnsupportedError(
                    f"{tool} writes a file that computes something else: output {name!r} {differs}",
                    hint=_HINT,
                )


def check_float_file(
    path: Path,
    reference: Sequence[np.ndarray],
    samples: Iterable[Sample],
    *,
    names: Sequence[str],
    tool: str,
) -> None:
    """Raise UnsupportedError where a float file is further from its model than float32 rounds.

    `reference` holds the model's outputs for the first of `samples`, `names` what they are called.
    """
    few = list(islice(samples, FEW))
    first = [output[: len(few)] for output in reference]
    compared, _ = verify(load_session(path), first, few, reference_names=names)
    snr = compared.snr_db
    if snr is not None and snr < LEAST_DB and compared.max_abs_error > LEAST_ERROR:
        raise UnsupportedError(
            f"{tool} writes a file that computes something else: its outputs are off by up to "
            f"{compared.max_abs_error:.3g}, SNR {snr:.1f} dB",
            hint="another format may take the model",
        )


def _answers(session: Session, tensors: list[np.ndarray]) -> Mapping[str, np.ndarray]:
    """Outputs by name, for tensors as files take them."""
    fed = [tensor.astype(spec.dtype) for tensor, spec in zip(tensors, session.inputs, strict=True)]
    outputs = session.bind(fed)()
    pairs = zip(session.outputs, outputs, strict=True)
    return {spec.name: np.array(output) for spec, output in pairs}


def _difference(wanted: np.ndarray, got: np.ndarray | None, most: float) -> str | None:
    """How an output differs by more than `most` of its largest value; None where it does not."""
    if got is None or got.size != wanted.size:
        return f"is {None if got is None else got.shape}, was {wanted.shape}"
    difference = np.abs(got.reshape(wanted.shape).astype(np.float64) - wanted)
    largest = max(float(np.abs(wanted).max()), 1e-6)
    if np.isfinite(difference).all() and float(difference.max()) <= most * largest:
        return None
    return f"is off by {float(difference.max()):.3g}, its largest value is {largest:.3g}"
