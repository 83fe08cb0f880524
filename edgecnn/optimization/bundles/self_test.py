"""The self-test of a bundle: outputs that were recorded, and how far those of now may be off.

Each part of an output has a tolerance of its own. Of a tensor that joins boxes (0…640) and scores
(0…1), a share of the largest value would let any score pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.evaluation.value_ranges import split
from edgecnn.runtimes.base import Session
from edgecnn.tensor_spec import TensorSpec

LEAST_ALLOWED = 1e-6
REST = "constant entries"
Array = npt.NDArray[Any]
Rows = Sequence[Array]
"""One output: what it was for each sample, with a batch of 1. Open sizes may differ."""


@dataclass(frozen=True)
class OutputRange:
    """Entries of an output whose values span one range. `mask` says which, broadcast to a row;
    `span` is what a tolerance is a share of.
    """

    name: str
    mask: npt.NDArray[np.bool_]
    span: float


@dataclass(frozen=True)
class Recorded:
    """Inputs (n, …), each output for all of them, and of each output the masks of its parts."""

    tensors: Array
    outputs: Sequence[Rows]
    masks: Sequence[Sequence[npt.NDArray[np.bool_]]]


def infer(session: Session, tensors: Iterable[Array]) -> list[Rows]:
    """Each output for all samples, one at a time."""
    rows = [session.run([tensor[None]]) for tensor in tensors]
    return [list(of_output) for of_output in zip(*rows, strict=True)]


def write(path: Path, tensors: Array, outputs: Sequence[Rows]) -> None:
    """Write inputs (n, …), outputs and the masks of their parts as an .npz file."""
    named: dict[str, Any] = {"input": tensors}
    for index, rows in enumerate(outputs):
        named |= {f"output_{index}_{place}": row for place, row in enumerate(rows)}
        named |= {f"part_{index}_{place}": part.mask for place, part in enumerate(parts(rows))}
    np.savez_compressed(path, **named)


def read(path: Path) -> Recorded:
    """What `write` wrote."""
    with np.load(path, allow_pickle=False) as archive:

        def numbered(prefix: str) -> list[Array]:
            names = [f"{prefix}_{place}" for place in range(len(archive.files))]
            return [archive[name] for name in names if name in archive.files]

        count = sum(name.startswith("output_") and name.endswith("_0") for name in archive.files)
        return Recorded(
            archive["input"],
            [numbered(f"output_{index}") for index in range(count)],
            [numbered(f"part_{index}") for index in range(count)],
        )


def parts(rows: Rows) -> list[OutputRange]:
    """The parts of one output. Scores next to values of another range count with their unit: in a
    few samples they may all be small.
    """
    low, high = _ranges(rows)
    size = np.maximum(abs(low), abs(high))
    found = split(low, high)
    if len(found) < 2:
        return [OutputRange("", np.ones(low.shape, bool), float(size.max(initial=0.0)))]
    made = [
        OutputRange(
            name,
            mask,
            1.0 if low[mask].min() >= 0 and high[mask].max() <= 1 else float(size[mask].max()),
        )
        for name, mask in found
    ]
    rest = ~np.logical_or.reduce([part.mask for part in made])
    if rest.any():
        least = min(part.span for part in made)
        made.append(OutputRange(REST, rest, max(float(size[rest].max()), least)))
    return made


def tolerances(spec: TensorSpec, rows: Rows, share: float) -> list[dict[str, Any]]:
    """How far each part of an output may be off: two quantization steps, or `share` of its span."""
    steps = 2.0 * spec.scale if spec.scale else 0.0
    return [
        {"part": part.name, "allowed": max(steps, share * part.span, LEAST_ALLOWED)}
        for part in parts(rows)
    ]


def differences(
    recorded: Recorded, found: Sequence[Rows], allowed: Sequence[Sequence[Mapping[str, Any]]]
) -> list[str]:
    """What differs by more than is allowed, a sentence each."""
    if len(found) != len(recorded.outputs):
        return [f"{len(found)} outputs, {len(recorded.outputs)} were recorded"]
    wrong = []
    for index, (wanted, rows) in enumerate(zip(recorded.outputs, found, strict=True)):
        shapes = [(row.shape, one.shape) for row, one in zip(rows, wanted, strict=True)]
        other = next((pair for pair in shapes if pair[0] != pair[1]), None)
        if other:
            wrong.append(f"output {index} is {other[0]}, {other[1]} was recorded")
            continue
        for mask, tolerance in zip(recorded.masks[index], allowed[index], strict=True):
            off, most = _off(rows, wanted, mask), float(tolerance["allowed"])
            if not off <= most:
                name = f" ({tolerance['part']})" if tolerance["part"] else ""
                wrong.append(f"output {index}{name} is off by {off:.3g}, {most:.3g} is allowed")
    return wrong


def _off(rows: Rows, wanted: Rows, mask: npt.NDArray[np.bool_]) -> float:
    """The largest difference; NaN where there is one."""
    apart = (
        np.abs(row.astype(np.float64) - one.astype(np.float64))
        for row, one in zip(rows, wanted, strict=True)
    )
    return float(np.max([np.where(mask, each, 0.0).max(initial=0.0) for each in apart]))


def _ranges(rows: Rows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The lowest and highest value of each entry over all samples, without the batch: of each
    column where the numbers of rows differ, of the whole where nothing is the same.
    """
    filled = [np.asarray(row, np.float64) for row in rows if row.size]
    if not filled:
        return np.zeros(()), np.zeros(())
    shapes = {row.shape for row in filled}
    if len(shapes) == 1:
        stacked = np.stack(filled)
        if stacked.ndim > 1 and stacked.shape[1] == 1:
            stacked = stacked[:, 0]
    elif len({shape[-1:] for shape in shapes}) == 1:
        stacked = np.concatenate([row.reshape(-1, row.shape[-1]) for row in filled])
    else:
        stacked = np.concatenate([row.ravel() for row in filled])
    return np.asarray(stacked.min(axis=0)), np.asarray(stacked.max(axis=0))
