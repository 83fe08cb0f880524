"""A model's outputs for all samples, written where the parent finds them.

Outputs may have a size that follows the input: the boxes that a model with NMS inside finds. Rows
(batch, n, …) of such an output are filled up with zeros, which to every detection head are boxes
of score 0. Other outputs whose shape changes are left out, and the folder says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.loop.input_batches import Inputs
from edgecnn.runtimes.base import Session
from edgecnn.tensor_spec import is_batched

Array = npt.NDArray[Any]

LEFT_OUT_FILE = "left_out.txt"
"""In a folder of outputs: why some are missing."""
ROWS_AXIS = 1


def write_outputs(
    session: Session,
    batches: Iterator[list[Array]],
    samples: Sequence[Array],
    job: WorkerJob,
    deadline: float | None,
) -> None:
    """Infer every sample once and write each output that has an entry a sample: real values
    (n, …). With a `deadline` of the monotonic clock fewer samples are inferred, two at least.
    """
    assert job.outputs is not None
    folder, batch = Path(job.outputs), job.options.batch
    count = Inputs.count(samples)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LEFT_OUT_FILE).unlink(missing_ok=True)
    whole = not any(is_batched(spec, batch) for spec in session.inputs)
    written: list[_Output] = []
    stored = 0
    for tensors in batches:
        outputs = session.run_bound(tensors)
        written = written or [
            _Output(folder / f"{index}.npy", count) for index in range(len(outputs))
        ]
        stop = min(stored + batch, count)
        for each, output in zip(written, outputs, strict=True):
            each.store(output[None] if whole else output, stored, stop, 1 if whole else batch)
        stored = stop
        if deadline is not None and stored > 1 and time.monotonic() > deadline:
            break
    rows = {tuple(each.sizes) for each in written if each.has_rows}
    for each in written:
        if each.changes and not each.has_rows and tuple(each.sizes) not in rows:
            each.leave_out()
        each.close(stored)
    names = [spec.name for spec in session.outputs]
    left_out = [
        f"{names[index] if index < len(names) else index} {each.shapes}"
        for index, each in enumerate(written)
        if each.changes and each.is_left_out
    ]
    if left_out:
        (folder / LEFT_OUT_FILE).write_text(", ".join(left_out), encoding="utf-8")


class _Output:
    """One output for all samples: a file that grows with the largest entry."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count
        self._array: np.memmap[Any, Any] | None = None
        self._seen: list[tuple[int, ...]] = []
        """Different shapes, as they came."""
        self.sizes: list[int] = []
        """Rows in each inference."""
        self.is_left_out = False

    @property
    def changes(self) -> bool:
        """Whether its shape follows the input."""
        return len(self._seen) > 1

    @property
    def has_rows(self) -> bool:
        """Whether it has rows of several values whose number follows the input."""
        return self.changes and not self.is_left_out and len(self._seen[0]) > ROWS_AXIS + 1

    @property
    def shapes(self) -> str:
        """The first two that differ."""
        return " and ".join(str(shape) for shape in self._seen[:2])

    def store(self, output: Array, first: int, stop: int, batch: int) -> None:
        """Keep the entries of samples `first` to `stop`, filled up with zeros to the most rows."""
        if output.shape not in self._seen:
            self._seen.append(output.shape)
        if output.dtype == object or output.shape[:1] != (batch,):
            self.leave_out()
        if self.is_left_out:
            return
        self.sizes.append(output.shape[ROWS_AXIS] if output.ndim > ROWS_AXIS else 1)
        if self._array is None:
            self._array = self._file(output.dtype, output.shape[1:])
        if not self._fits(output):
            self.leave_out()
            return
        if output.shape[1:] == self._array.shape[1:]:
            self._array[first:stop] = output[: stop - first]
            return
        if output.shape[ROWS_AXIS] > self._array.shape[ROWS_AXIS]:
            narrow = self._array
            self._array = self._file(output.dtype, output.shape[1:])
            self._array[:first, : narrow.shape[ROWS_AXIS]] = narrow[:first]
        self._array[first:stop, : output.shape[ROWS_AXIS]] = output[: stop - first]

    def _fits(self, output: Array) -> bool:
        """Whether the file can hold the output: nothing but its number of rows may differ."""
        assert self._array is not None
        ours, theirs = self._array.shape[1:], output.shape[1:]
        same_rows = len(ours) == len(theirs) and ours[1:] == theirs[1:]
        return same_rows and output.dtype == self._array.dtype

    def _file(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
        """A file of zeros in place of the one before, which is readable as long as it is held."""
        self._path.unlink(missing_ok=True)
        return np.lib.format.open_memmap(self._path, "w+", dtype, (self._count, *shape))

    def leave_out(self) -> None:
        """Write nothing of this output."""
        self.is_left_out, self._array = True, None
        self._path.unlink(missing_ok=True)

    def close(self, stored: int) -> None:
        """Leave a file of the `stored` samples that were inferred."""
        if self._array is None:
            return
        self._array.flush()
        if stored < self._count:
            kept = np.array(self._array[:stored])
            self._path.unlink()
            np.save(self._path, kept)


def output_paths(folder: Path) -> list[Path]:
    """The files in which a worker left its model's outputs, in the model's order."""
    return sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))


def why_left_out(folder: Path) -> str:
    """Why some of a model's outputs are not in `folder`; empty where all are there."""
    path = folder / LEFT_OUT_FILE
    if not path.exists():
        return ""
    return (
        f"the size of an output depends on the input ({path.read_text(encoding='utf-8')}), and it "
        "is not one of rows (n, boxes, …)"
    )
