"""Decide when a row has enough processes, and which of its blocks were undisturbed.

Rows are measured in rounds, one process of each row in a round, so that slow and fast phases of
the machine hit all rows equally. Pure functions over measurements, and the probes of a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from edgecnn.benchmarking.baseline import FEWEST_PROBES, QuietBaseline
from edgecnn.benchmarking.loop.contention import UndisturbedTimes, judged
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Measurement, Run

FEWEST_PROCESSES = 3
"""What an interval takes."""
MOST_PROBES = 200
"""Probes that a worker gets: enough for a quantile, little to send."""


def spent_secs(runs: Sequence[Run]) -> float:
    """Seconds of a row's budget that its processes took for inferences.

    Where queries overlap or wait, as offline and in a server, the time from the first to the last
    counts. What a server takes to look for a rate comes on top.
    """
    return (
        sum(run.first_inference_ns + sum(run.warmup_ns) + _sampling_ns(run) for run in runs) / 1e9
    )


def _sampling_ns(run: Run) -> int:
    """The time in which the samples of a run were taken."""
    elapsed = run.queries.get("elapsed_ns") or run.queries.get("prediction_elapsed_ns")
    return int(elapsed) if elapsed else sum(run.samples_ns)


def wants_another(measurement: Measurement, protocol: Protocol) -> bool:
    """Whether one more process is due: below the protocol's number always, above it while the
    interval is wider than asked; never beyond the row's budget.
    """
    runs = measurement.runs
    if measurement.status != "ok" or len(runs) >= protocol.most:
        return False
    if runs and (not fits(runs, protocol) or starts_are_spent(runs, protocol)):
        return False
    if len(runs) < protocol.processes:
        return True
    spread = measurement.relative_spread
    return spread is None or spread > protocol.target_interval


def fits(runs: Sequence[Run], protocol: Protocol) -> bool:
    """Whether a further process fits into the row's budget.

    Its samples end with what is left; it needs its first inference and one sample at least, and
    beyond the protocol's number of processes half of what the ones before took.
    """
    remaining = protocol.sampling_secs - spent_secs(runs)
    least = fmean(run.first_inference_ns + max(run.samples_ns, default=0) for run in runs) / 1e9
    if len(runs) >= protocol.processes:
        least = max(least, spent_secs(runs) / len(runs) / 2)
    return least <= remaining


def starts_are_spent(runs: Sequence[Run], protocol: Protocol) -> bool:
    """Whether starting one more process would take longer than the row's whole budget, once there
    are enough for an interval: TensorFlow takes seconds to import.
    """
    started = sum(run.import_ns + run.load_ns for run in runs) / 1e9
    return len(runs) >= FEWEST_PROCESSES and started * (1 + 1 / len(runs)) > protocol.max_secs


class SessionProbes:
    """What the processes of one session saw of the machine, by the Python that they ran in.

    The reference computation is Python's own, so that another Python has another best.
    """

    def __init__(self, baseline: QuietBaseline | None = None) -> None:
        self._baseline = baseline
        self._seen: dict[str, list[tuple[int, int]]] = {}

    def add(self, python: str, run: Run) -> None:
        """Remember the probes of a process."""
        seen = self._seen.setdefault(python, [])
        for block in run.blocks:
            seen += zip(block.reference_ns[-1:], block.memory_ns[-1:], strict=False)

    def sample(self, python: str) -> tuple[tuple[int, int], ...]:
        """An even choice of the probes so far, for the next worker."""
        seen = self._seen.get(python, [])
        return tuple(seen[:: max(1, len(seen) // MOST_PROBES)])

    def known_ns(self, python: str) -> float | None:
        """The reference that earlier sessions knew of the machine."""
        return self._baseline.reference_ns(python) if self._baseline else None

    def best(self, python: str) -> UndisturbedTimes | None:
        """The machine's best by this session's probes and earlier ones; None before the first."""
        seen = self._seen.get(python)
        return UndisturbedTimes.of(seen).with_reference(self.known_ns(python)) if seen else None

    def remember(self) -> None:
        """Keep this session's best for later ones, where it probed often enough."""
        for python, seen in self._seen.items():
            if self._baseline and len(seen) >= FEWEST_PROBES:
                self._baseline.remember(python, UndisturbedTimes.of(seen).reference_ns)

    def rejudge(self, python: str, run: Run) -> Run:
        """The run with its blocks judged by all that the session saw.

        The first processes knew little: where a neighbor was there from the start, only later
        probes show it.
        """
        best = self.best(python)
        if best is None or not run.blocks:
            return run
        return replace(run, blocks=tuple(judged(block, best) for block in run.blocks))
