"""Time each stage from an encoded image to a class, as an application sees it.

decode       the file's bytes → pixels; only where the data lie in files, and Pillow is there
preprocess   pixels → the tensor the network was trained on (the manifest's preprocessing)
infer        layout, quantization, copying into the bound input, and the inference
postprocess  dequantized outputs, and the best five classes of a classifier

This is another metric than the latency of the timed loop, where inputs are bound beforehand.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.loop.encoded_samples import COUNT
from edgecnn.benchmarking.passes import Context
from edgecnn.errors import UnsupportedError
from edgecnn.preprocessing import preprocessing_from_dict
from edgecnn.runtimes.base import Session
from edgecnn.runtimes.tensors import from_model, to_model

Array = npt.NDArray[Any]

STAGES = ("decode", "preprocess", "infer", "postprocess")
BUDGET_SECS = 2.0
MOST = 1_024
WARM_UP = 3
TOP = 5


def find(context: Context) -> dict[str, Any]:
    """Times of each stage in nanoseconds, for one inference (one batch) after the other.

    At least 64 inferences, more while 2 s are not over, fewer where the row's budget ends.
    `times_ns["end_to_end"]` is the sum of the stages of the same inference; a stage that cannot
    be timed is null, with the reason in `absent`. Raises UnsupportedError without real samples.
    """
    raw = context.raw
    if raw is None or len(context.session.inputs) != 1:
        raise UnsupportedError(
            "stages are timed on real samples of a model with one input",
            hint="pass --data",
        )
    decode, absent = _decoder(raw.files)
    images = raw.load()
    encoded = [Path(path).read_bytes() for path in raw.files] if decode else []
    preprocess = preprocessing_from_dict(raw.preprocessing)
    batch = context.options.batch
    feed = _Feed(context.session, [preprocess(images[i % len(images)]) for i in range(batch)])
    clock = time.perf_counter_ns
    rows: list[tuple[int, int, int, int]] = []
    turns: Iterator[int] = itertools.cycle(range(len(images)))
    enough = clock() + int(BUDGET_SECS * 1e9)
    while len(rows) < COUNT + WARM_UP or (clock() < enough and len(rows) < MOST):
        if len(rows) > WARM_UP and time.monotonic() > context.deadline:
            break
        chosen = list(itertools.islice(turns, batch))
        start = clock()
        seen = [decode(encoded[index]) if decode else images[index] for index in chosen]
        decoded = clock()
        tensors = preprocess.batch(seen)
        ready = clock()
        outputs = feed.infer(tensors)
        inferred = clock()
        _answer(outputs, context.session)
        done = clock()
        rows.append((decoded - start, ready - decoded, inferred - ready, done - inferred))
    times = np.asarray(rows[WARM_UP:], np.int64)
    measured = times if decode else times[:, 1:]
    return {
        "samples": len(times) * batch,
        "distinct_samples": len(images),
        "batch": batch,
        "input": feed.manner,
        "absent": {"decode": absent} if absent else {},
        "times_ns": {
            **dict(zip(STAGES, times.T.tolist(), strict=True)),
            **({} if decode else {"decode": None}),
            "end_to_end": measured.sum(axis=1).tolist(),
        },
    }


def _decoder(files: Sequence[str]) -> tuple[Callable[[bytes], Array] | None, str | None]:
    """A function from bytes to pixels, or why there is none."""
    if not files:
        return None, "the data set holds pixels, not encoded files"
    if importlib.util.find_spec("PIL") is None:
        return None, "Pillow is not installed in the worker's environment"
    from edgecnn.data.files.images import decode

    # Pillow opens both a path and a file in memory.
    return lambda data: decode(cast(Path, io.BytesIO(data))), None


class _Feed:
    """One input bound once, as an application binds it; every new sample is copied into it.

    Runtimes that take a copy when they bind would not see the new sample: those are bound again
    each time, and the answer says so.
    """

    def __init__(self, session: Session, first: Sequence[Array]) -> None:
        self._session = session
        self._spec = session.inputs[0]
        self._bound = to_model(np.stack(first), self._spec)
        self._invoke = session.bind([self._bound])
        self.manner = "bound once" if self._shares() else "bound again each time"

    def infer(self, tensors: Array) -> Sequence[Array]:
        prepared = to_model(tensors, self._spec)
        if self.manner == "bound again each time":
            return self._session.bind([prepared])()
        np.copyto(self._bound, prepared)
        return self._invoke()

    def _shares(self) -> bool:
        """Whether outputs follow what is written into the bound array."""
        mine = self._bound.copy()
        other = mine[..., ::-1].copy() if mine.ndim < 3 else np.flip(mine, axis=(1, 2)).copy()
        before = [np.array(output) for output in self._invoke()]
        np.copyto(self._bound, other)
        after = [np.array(output) for output in self._invoke()]
        expected = [np.array(output) for output in self._session.bind([other])()]
        np.copyto(self._bound, mine)
        return _distance(after, expected) <= _distance(after, before)


def _distance(some: Sequence[Array], others: Sequence[Array]) -> float:
    return sum(
        float(np.abs(one.astype(np.float64) - other.astype(np.float64)).sum())
        for one, other in zip(some, others, strict=True)
    )


def _answer(outputs: Sequence[Array], session: Session) -> list[Array]:
    """Real-valued outputs; of class scores (batch, classes) the best five, best first."""
    values = [
        from_model(output, spec) for output, spec in zip(outputs, session.outputs, strict=True)
    ]
    scores = values[0]
    if scores.ndim == 2 and scores.shape[1] > 1:
        count = min(TOP, scores.shape[1])
        best = np.argpartition(scores, -count, axis=1)[:, -count:]
        order = np.argsort(np.take_along_axis(scores, best, axis=1), axis=1)[:, ::-1]
        return [np.take_along_axis(best, order, axis=1)]
    return values
