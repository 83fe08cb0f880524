"""Check that the outputs depend on the inputs.

Looked at until the first difference. Where synthetic inputs leave the outputs as they are, other
ranges are tried: a network that expects pixels of 0…255 may well say the same to all noise in
0…1, and is not a constant for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.passes import Context
from edgecnn.runtimes.tensors import to_model
from edgecnn.synthetic_inputs import Range, SyntheticInputs
from edgecnn.tensor_spec import is_batched

Array = npt.NDArray[Any]

RANGES: tuple[Range, ...] = ((-1.0, 1.0), (0.0, 255.0), (-128.0, 127.0), (-10_000.0, 10_000.0))
"""What real-valued inputs are tried with besides their own range."""
SAMPLES = 4
BUDGET_SECS = 5.0


def find(context: Context) -> dict[str, Any]:
    """`varies`: whether any output differed between two inputs; `inputs_differ`: whether any two
    inputs did. `fed` says what was fed in words, `real` whether it was data. Without a difference
    on synthetic inputs `varies_with` names the range that made one, None where none of `tried`
    did.
    """
    deadline = time.monotonic() + context.seconds(BUDGET_SECS)
    first = _outputs(context.invocations[0]())
    differ = varies = False
    looked = 1
    for tensors, invocation in zip(context.tensors[1:], context.invocations[1:], strict=True):
        if varies or time.monotonic() > deadline:
            break
        looked += 1
        differ |= not _equal(tensors, context.tensors[0])
        varies |= not _equal(invocation(), first)
    real = context.raw is not None or not context.fed
    tried: list[str] = []
    answer = {
        "real": real,
        "fed": "data" if real else context.fed,
        "looked": looked,
        "inputs_differ": differ,
        "varies": varies,
        "varies_with": None,
        "tried": tried,
    }
    if varies or real:
        return answer
    for name, tensors in _other_inputs(context):
        if time.monotonic() > deadline:
            break
        if name not in tried:
            tried.append(name)
        if not _equal(context.session.bind(tensors)(), first):
            return {**answer, "varies_with": name}
    return answer


def _other_inputs(context: Context) -> Iterator[tuple[str, list[Array]]]:
    """(range in words, inputs in the model's own form); ids, masks and integers stay as they are.

    One range after the other, and for all of them two inputs before the third.
    """
    specs, batch = context.session.inputs, context.options.batch
    reals = [
        index
        for index, (spec, samples) in enumerate(zip(specs, context.samples, strict=True))
        if np.dtype(spec.dtype).kind == "f" and not _are_ids(samples)
    ]
    if not reals:
        return
    for turn in range(SAMPLES):
        for low, high in RANGES:
            inputs = SyntheticInputs(
                specs,
                SAMPLES,
                batch=batch,
                seed=1,
                values={specs[index].name: (low, high) for index in reals},
            )
            drawn = inputs.sample(turn)
            tensors = []
            for index, (spec, samples) in enumerate(zip(specs, context.samples, strict=True)):
                one = drawn[index] if index in reals else np.asarray(samples[0])
                full = np.repeat(one[None], batch, axis=0) if is_batched(spec, batch) else one
                tensors.append(to_model(full, spec))
            yield f"noise {low:g}…{high:g}", tensors


def _are_ids(samples: Array) -> bool:
    """Whole numbers in a real-valued input: ids of a table, which must stay below its size."""
    some = np.asarray(samples[:2], np.float64)
    return bool(some.size and (some == np.floor(some)).all() and np.ptp(some) >= 1)


def _outputs(outputs: Sequence[Any]) -> list[Array]:
    return [np.array(output) for output in outputs]


def _equal(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return all(
        np.array_equal(
            np.asarray(one), np.asarray(other), equal_nan=np.asarray(one).dtype.kind == "f"
        )
        for one, other in zip(left, right, strict=True)
    )
