"""Samples run through a loaded model: one inference a sample, or one for each batch that the
model is fixed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.spooled_outputs import Gathering
from edgecnn.conversion.sources.base import Array, Sample, tensors_of
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature
from edgecnn.manifest import TensorSpec
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.declared import declared_inputs, fixed_inputs, numeric_outputs
from edgecnn.runtimes.tensors import to_model
from edgecnn.tensor_spec import is_batched

if TYPE_CHECKING:
    from edgecnn.runtimes.base import Session


def batch_of(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> int:
    """How many samples a loaded model takes at once: the first size that all of its inputs and
    outputs share, otherwise 1.
    """
    firsts = {spec.shape[0] for spec in (*inputs, *outputs) if spec.shape} - {None}
    return (firsts.pop() or 1) if len(firsts) == 1 else 1


def declared_batch(signature: Signature) -> int:
    """As `batch_of`, of what a file declares."""
    return batch_of(declared_inputs(signature), numeric_outputs(signature))


def batch_of_file(path: Path) -> int:
    """As `batch_of`, of a model file; 1 where the file does not say."""
    try:
        return declared_batch(read_signature(path))
    except EdgeCNNError:  # whoever loads it says what is wrong with it
        return 1


def predict(session: Session, samples: Iterable[Sample]) -> list[Array]:
    """Outputs (n, …) of a loaded model for `samples`, real values in the file's own layout.

    A model with a fixed batch gets so many samples at once, the last of them repeated to fill
    it. An output without a batch axis gets one.

    Raises InputError without samples, for another number of inputs, and for outputs whose size
    differs between samples.
    """
    batch = batch_of(session.inputs, session.outputs)
    gatherings = [Gathering(spec.name) for spec in session.outputs]
    for some in _groups(_batches(session.inputs, samples, batch)):
        with converter("the runtime", "try another target, or another shape (--shape)"):
            for inputs, count in some:
                for gathering, output in zip(gatherings, session.run(inputs), strict=True):
                    gathering.add(_by_sample(output, gathering.name, batch, count))
    return [gathering.array() for gathering in gatherings]


def feeds(path: Path, samples: Iterable[Sample]) -> Iterator[dict[str, Array]]:
    """Samples as a model file stores them, by the names of its inputs: its dtype, layout and batch.

    Raises InputError as `predict`, and for a file that leaves sizes open.
    """
    signature = read_signature(path)
    batch = declared_batch(signature)
    specs = fixed_inputs(signature, RuntimeOptions(batch=batch))
    for inputs, _ in _batches(specs, samples, batch):
        pairs = zip(specs, inputs, strict=True)
        yield {spec.name: to_model(array, spec) for spec, array in pairs}


def _groups(
    batches: Iterable[tuple[list[Array], int]],
) -> Iterator[list[tuple[list[Array], int]]]:
    """Batches by the dozen: keeping a library quiet takes longer than an inference of a small
    model. Samples are made outside, where what is wrong with them can be said.
    """
    some: list[tuple[list[Array], int]] = []
    held = 0
    for inputs, count in batches:
        some.append((inputs, count))
        held += sum(array.nbytes for array in inputs)
        if held >= _GROUP_BYTES or len(some) >= _GROUP:
            yield some
            some, held = [], 0
    if some:
        yield some


_GROUP, _GROUP_BYTES = 64, 1 << 22


def _batches(
    specs: Sequence[TensorSpec], samples: Iterable[Sample], batch: int
) -> Iterator[tuple[list[Array], int]]:
    """(the inputs of one inference, how many samples are in it)."""
    waiting = iter(samples)
    while chunk := [tensors_of(sample) for sample in islice(waiting, batch)]:
        if len(chunk[0]) != len(specs):
            names = ", ".join(spec.name for spec in specs)
            raise InputError(
                f"the model takes {len(specs)} inputs ({names}), the samples have {len(chunk[0])}"
            )
        filled = chunk + [chunk[-1]] * (batch - len(chunk))
        yield (
            [
                np.concatenate(column) if batch > 1 and is_batched(spec, batch) else column[0]
                for column, spec in zip(zip(*filled, strict=True), specs, strict=True)
            ],
            len(chunk),
        )


def _by_sample(output: Array, name: str, batch: int, count: int) -> Array:
    if output.ndim and output.shape[0] == batch:
        return output[:count]
    if batch == 1:
        return output[None]
    raise InputError(
        f"output {name!r} has shape {output.shape}: it does not keep the {batch} samples of a "
        "batch apart",
        hint="export the model with batch 1",
    )
