"""A model's outputs for all samples, written where the parent finds them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.job import Job
from edgecnn.benchmarking.pool import Inputs
from edgecnn.runtimes.base import Session
from edgecnn.synthetic_inputs import is_batched


def write_outputs(
    session: Session,
    batches: Iterator[list[npt.NDArray[Any]]],
    samples: Sequence[npt.NDArray[Any]],
    job: Job,
    deadline: float | None,
) -> None:
    """Infer every sample once and write each output that has an entry a sample: real values
    (n, …). With a `deadline` of the monotonic clock fewer samples are inferred, two at least.
    """
    assert job.outputs is not None
    folder, batch = Path(job.outputs), job.options.batch
    count = Inputs.count(samples)
    folder.mkdir(parents=True, exist_ok=True)
    whole = not any(is_batched(spec, batch) for spec in session.inputs)
    kept: list[list[npt.NDArray[Any]]] = []
    written: list[np.memmap[Any, Any]] = []
    stored = 0
    for tensors in batches:
        outputs = [
            output[None] if whole else output
            for output in session.run_bound(tensors)
            if output.dtype != object and (whole or output.shape[:1] == (batch,))
        ]
        stop = min(stored + batch, count)
        if deadline is not None:
            kept.append([output[: stop - stored] for output in outputs])
        else:
            written = written or [
                np.lib.format.open_memmap(
                    folder / f"{index}.npy", "w+", output.dtype, (count, *output.shape[1:])
                )
                for index, output in enumerate(outputs)
            ]
            for array, output in zip(written, outputs, strict=True):
                array[stored:stop] = output[: stop - stored]
        stored = stop
        if deadline is not None and stored > 1 and time.monotonic() > deadline:
            break
    for array in written:
        array.flush()
    for index, parts in enumerate(_of_one_shape(kept)):
        np.save(folder / f"{index}.npy", np.concatenate(parts))


def _of_one_shape(kept: list[list[npt.NDArray[Any]]]) -> Iterator[list[npt.NDArray[Any]]]:
    """The entries of each output, of those whose shape is the same for every input."""
    if len({len(outputs) for outputs in kept}) == 1:
        for parts in map(list, zip(*kept, strict=True)):
            if len({part.shape[1:] for part in parts}) == 1:
                yield parts


def output_paths(folder: Path) -> list[Path]:
    """The files in which a worker left its model's outputs, in the model's order."""
    return sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))
