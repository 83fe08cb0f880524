"""Greedy and beam search over any network that scores the next id of a sequence.

A `StepFunction` hides where scores are from. It is called with the ids chosen last, one a row,
their position (from 1), and for each row the row of the call before that it continues, so that
whatever holds states can follow. All rows of a call are one position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.preprocessing.subwords import END, PADDING, START, UNKNOWN

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
StepFunction = Callable[[Ids, int, Ids], npt.NDArray[Any]]
"""(ids (rows,), position, origins (rows,)) → scores (rows, vocabulary), not normalized."""

NEVER = (PADDING, UNKNOWN, START)
"""Ids that are not part of an answer."""
MAX_BEAM = 64
_BLOCK = 64
"""Values that are looked at together when the best of a row are sought."""


@dataclass(frozen=True)
class Decoding:
    """How an answer is searched for.

    `beam` hypotheses are followed at a time; 1 is greedy. The best has the highest sum of log
    probabilities / length ** `length_penalty`, its end counted in (Wu 2016 without the constants):
    0 prefers short answers, 1 compares means.
    """

    beam: int = 5
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= MAX_BEAM:
            raise InputError(f"a beam is 1 to {MAX_BEAM} hypotheses wide, received: {self.beam}")
        if not 0 <= self.length_penalty <= 10:
            raise InputError(
                f"the length penalty must be between 0 and 10, received: {self.length_penalty}"
            )


@dataclass(frozen=True)
class Hypothesis:
    """An answer without start and end. `score` is what hypotheses are compared by; `ended` False
    where the longest length came before the end; `origins` are the rows that made it, one a step.
    """

    ids: tuple[int, ...]
    score: float
    ended: bool
    origins: tuple[int, ...] = ()


def greedy(step: StepFunction, rows: int, most: int) -> list[Hypothesis]:
    """The best next id at each position, for `rows` samples at once, up to `most` ids each."""
    ids = np.full(rows, START, np.int64)
    origins = np.arange(rows)
    answers: list[list[int]] = [[] for _ in range(rows)]
    totals = np.zeros(rows)
    open_rows = np.ones(rows, bool)
    for position in range(1, most + 2):
        scores, normalizers = normalized(step(ids, position, origins))
        ids = scores.argmax(axis=1)
        totals = np.where(open_rows, totals + scores[origins, ids] - normalizers, totals)
        for row in np.flatnonzero(open_rows & (ids != END)):
            answers[row].append(int(ids[row]))
        open_rows &= ids != END
        ids = np.where(open_rows, ids, PADDING)
        if position > most or not open_rows.any():
            break
    return [
        Hypothesis(
            tuple(row[:most]), float(total) / (len(row) + 1), not still, (index,) * (len(row) + 1)
        )
        for index, (row, total, still) in enumerate(zip(answers, totals, open_rows, strict=True))
    ]


def search(step: StepFunction, decoding: Decoding, most: int) -> list[Hypothesis]:
    """The finished hypotheses of a beam search for one sample, best first; at least one.

    At each position the 2 × beam best continuations are looked at: those among the first `beam`
    that end are finished, and the `beam` best of the others continue. The search is over at `most`
    ids, or once `beam` are finished and none that continues has a better score than the best.
    """
    if decoding.beam == 1:
        return greedy(step, 1, most)
    width = decoding.beam
    ids, origins = np.asarray([START]), np.asarray([0])
    histories: list[tuple[int, ...]] = [()]
    paths: list[tuple[int, ...]] = [()]
    totals = np.zeros(1)
    finished: list[Hypothesis] = []
    for position in range(1, most + 2):
        scores, normalizers = normalized(step(ids, position, origins))
        if position > most:  # nothing but the end fits any more
            scores[:, np.arange(scores.shape[1]) != END] = -np.inf
        rows, chosen, values = best(scores, totals - normalizers, 2 * width)
        ends = chosen == END
        for rank in np.flatnonzero(ends[:width]):
            row = int(rows[rank])
            score = float(values[rank]) / position**decoding.length_penalty
            finished.append(Hypothesis(histories[row], score, position <= most, (*paths[row], row)))
        going = np.flatnonzero(~ends)[:width]
        if not len(going):
            break
        ids, origins, totals = chosen[going], rows[going], values[going]
        reached = float(totals[0]) / position**decoding.length_penalty
        if len(finished) >= width and max(one.score for one in finished) >= reached:
            break
        paths = [(*paths[row], int(row)) for row in origins]
        histories = [(*histories[row], int(token)) for row, token in zip(origins, ids, strict=True)]
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)


def normalized(scores: npt.NDArray[Any]) -> tuple[Scores, npt.NDArray[np.float64]]:
    """(scores (rows, vocabulary) in which ids that are not part of an answer have −∞, the logarithm
    of the sum of their exponentials (rows,)): a score minus its row's is a log probability.

    Raises InputError where scores are not finite: no order of them would mean anything.
    """
    values = np.array(scores, np.float32)
    values[:, NEVER] = -np.inf
    peak = values.max(axis=1, keepdims=True)
    if not np.isfinite(peak).all():
        raise InputError(
            "the network's scores are not finite",
            hint="float16 overflows above 65504: use another recipe",
        )
    weights = values - peak
    np.exp(weights, out=weights)
    return values, np.log(weights.sum(axis=1, dtype=np.float64)) + peak[:, 0]


def best(
    scores: Scores, offsets: npt.NDArray[np.float64], count: int
) -> tuple[Ids, Ids, npt.NDArray[np.float64]]:
    """(rows, ids, scores + their row's offset) of the highest finite sums, best first; of equal
    ones the first.

    Of each row only what reaches the `count`-th highest peak of its blocks is sorted: at least
    `count` values do, and few more.
    """
    rows, words = scores.shape
    blocks = words // _BLOCK
    least = np.full(rows, -np.inf, np.float32)
    if blocks > count:
        peaks = scores[:, : blocks * _BLOCK].reshape(rows, blocks, _BLOCK).max(axis=2)
        least = np.partition(peaks, -count, axis=1)[:, -count]
    row, chosen = np.nonzero(scores >= least[:, None])
    sums = scores[row, chosen] + offsets[row]
    order = np.lexsort((chosen, row, -sums))[:count]
    order = order[np.isfinite(sums[order])]
    return row[order], chosen[order], sums[order]


def padded(answers: Sequence[Sequence[int]], length: int) -> npt.NDArray[np.int32]:
    """Ids (samples, length) int32, each ended and filled up; longer ones are cut."""
    rows = np.full((len(answers), length), PADDING, np.int32)
    for row, answer in zip(rows, answers, strict=True):
        kept = [*answer[: length - 1], END]
        row[: len(kept)] = kept
    return rows


def unpadded(row: npt.NDArray[Any]) -> list[int]:
    """The ids of a row up to its end, without those that are not part of an answer."""
    ids: list[int] = []
    for value in row.tolist():
        if value == END:
            break
        if value not in NEVER:
            ids.append(int(value))
    return ids


__getattr__ = old_names(__name__, {"Step": "StepFunction"})
