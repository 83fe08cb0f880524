"""The inputs that a worker feeds: real samples from a file, or synthetic ones, made when needed.

What they take is bounded in bytes: inputs are the caller's memory, not the model's, and a model of
two full-HD images must not seem to need gigabytes. The first batch is available alone, so that
the peak of memory is measured before there is a pool.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.runtimes.tensors import channels_last_view, model_shape, stored, to_model
from edgecnn.synthetic_inputs import SyntheticInputs, channels_last
from edgecnn.tensor_spec import TensorSpec, is_batched, one_tensor_error

Array = npt.NDArray[Any]

POOL_SIZE = 32
POOL_BYTES = 64 << 20
INPUTS_FILE = "inputs.json"
"""In a folder of samples: the names of the inputs whose arrays are 0.npy, 1.npy …"""
FEWEST = 2
"""Distinct inputs, however large they are: two show whether the outputs answer to them."""


def pool_size(specs: Sequence[TensorSpec], batch: int) -> int:
    """How many batches the pool holds: 32, fewer of large inputs.

    Counted in float32, so that the same network gets the same inputs in every format.
    """
    bytes_each = 0
    for spec in specs:
        samples = batch if is_batched(spec, batch) else 1
        sizes = channels_last(spec)[1:] if is_batched(spec, batch) else spec.shape
        bytes_each += 4 * samples * prod(size or 1 for size in sizes)
    return int(np.clip(POOL_BYTES // max(bytes_each, 1), FEWEST, POOL_SIZE))


class Inputs:
    """Model-ready inputs for a session, `batch` samples each.

    `samples` is a .npy file (n, …) of real-valued samples, channels last, for a model with one
    input, or a folder with one for each input (see INPUTS_FILE); otherwise `synthetic` makes them.
    Raises InputError for a file and several inputs.
    """

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        batch: int,
        *,
        samples: Path | None = None,
        synthetic: SyntheticInputs | None = None,
    ) -> None:
        self._specs, self._batch = specs, batch
        self._synthetic = synthetic
        self._files = _files(samples, specs) if samples is not None else []

    def first(self) -> list[Array]:
        """The first batch; nothing else stays in memory."""
        if not self._files:
            return [self._first_of(place) for place in range(len(self._specs))]
        rows = [_read_rows(path, self._batch) for path in self._files]
        return self._ready(rows, range(self._batch))

    def _first_of(self, place: int) -> Array:
        """The first batch of a synthetic input, written where it stays."""
        assert self._synthetic is not None
        spec, count = self._specs[place], self._synthetic.count
        batched = is_batched(spec, self._batch)
        sizes = self._synthetic.sizes[place]
        shape = model_shape((self._batch, *sizes) if batched else sizes, spec)
        ready = np.empty(shape, spec.dtype)
        view = channels_last_view(ready, spec)
        for index in range(self._batch if batched else 1):
            out = view[index, ...] if batched else view
            self._synthetic.write(place, index % count, out, lambda values: stored(values, spec))
        return ready

    def arrays(self) -> list[Array]:
        """One array (n, …) for each input: all samples of a file (mapped), or the pool's."""
        if self._files:
            return [np.load(path, mmap_mode="r") for path in self._files]
        assert self._synthetic is not None
        return self._synthetic.arrays()

    @staticmethod
    def count(arrays: Sequence[Array]) -> int:
        """How many samples `arrays` hold: one for a model that takes nothing."""
        return len(arrays[0]) if arrays else 1

    def pool(self, arrays: Sequence[Array]) -> list[list[Array]]:
        """Distinct batches for the timed loop, spread over all samples."""
        count, batch = self.count(arrays), self._batch
        most = pool_size(self._specs, batch)
        stride = max(1, count // (most * batch))
        spread = [
            np.array(array[::stride][: most * batch]) if self._files else array for array in arrays
        ]
        return list(self.batches(spread))[:most]

    def batches(self, arrays: Sequence[Array]) -> Iterator[list[Array]]:
        """All samples; the last batch is filled with the first samples."""
        count = self.count(arrays)
        for start in range(0, count, self._batch):
            yield self._ready(arrays, range(start, start + self._batch))

    def _ready(self, arrays: Sequence[Array], indices: range) -> list[Array]:
        ready = [
            to_model(_taken(array, indices, batched=is_batched(spec, self._batch)), spec)
            for array, spec in zip(arrays, self._specs, strict=True)
        ]
        # A mapped file cannot be written, and some runtimes take arrays that can be alone.
        return [array if array.flags.writeable else array.copy() for array in ready]


def _files(samples: Path, specs: Sequence[TensorSpec]) -> list[Path]:
    """The .npy file of each input: by its name, by its place where a runtime names it otherwise."""
    if not samples.is_dir():
        if len(specs) == 1:
            return [samples]
        otherwise = "without --data inputs are synthetic"
        raise one_tensor_error("the model", specs, otherwise=otherwise)
    stored_names = json.loads((samples / INPUTS_FILE).read_text(encoding="utf-8"))
    names = [spec.name for spec in specs]
    if len(stored_names) != len(names):
        raise InputError(f"the data set has {len(stored_names)} inputs, the runtime {len(names)}")
    same = sorted(stored_names) == sorted(names) and len(set(names)) == len(names)
    places = [stored_names.index(name) for name in names] if same else range(len(names))
    return [samples / f"{place}.npy" for place in places]


def _taken(array: Array, indices: range, *, batched: bool) -> Array:
    """Rows of `array`, from its start again past its end; a view where that is possible."""
    count = len(array)
    if not batched:
        return np.asarray(array[indices[0] % count])
    if indices.stop <= count:
        return np.asarray(array[indices.start : indices.stop])
    return np.asarray(array[[index % count for index in indices]])


def _read_rows(path: Path, batch: int) -> Array:
    """The first `batch` rows of a .npy file (all, when it has fewer), without mapping it."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        count = min(batch, shape[0])
        values = np.fromfile(file, dtype, count * prod(shape[1:]))
    return values.reshape(count, *shape[1:])
