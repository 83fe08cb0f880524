"""Find the runtime version that made a model slower, less accurate, or stop working.

The good version is measured together with a version in the middle, in the same rounds, so that a
slow minute of the machine cannot look like a regression; then the half that holds the change is
halved again. A version of which nothing can be said is measured longer, and never taken for good by
default. Versions that cannot be installed or used here are left out. N versions take at most
log2(N) + 1 environments, the good one included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgecnn.analysis.compare import accuracy_change
from edgecnn.analysis.gate import GateBaseline, effect_of
from edgecnn.benchmarking.benchmark import JUDGING_PASSES, benchmark
from edgecnn.benchmarking.environments import installer, versions
from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.data.base import Dataset
from edgecnn.errors import GateError, InputError
from edgecnn.progress import Progress, silent
from edgecnn.results import Measurement, Results, RuntimeOptions

VersionOutcome = Literal["good", "bad", "skipped", "undecided"]
THRESHOLD = 0.03
TRIES = (1, 2, 4)
"""A version of which nothing can be said is measured again, with so many times the processes."""
CHANCE = 0.005
"""How likely a version is called slower than the good one when it is not."""


@dataclass(frozen=True)
class BisectionStep:
    """A version that was tried, what came out, and why, for people."""

    version: str
    outcome: VersionOutcome
    why: str


@dataclass(frozen=True)
class Bisection:
    """The answer: the first bad version (None: the last one is as good as the first).

    `between` are versions next to the first bad one that could not be tried: it may be one of them.
    """

    runtime: str
    good: str
    bad: str
    versions: int
    steps: tuple[BisectionStep, ...]
    first_bad: str | None = None
    last_good: str = ""
    between: tuple[str, ...] = ()
    results: tuple[Results, ...] = ()

    @property
    def environments(self) -> int:
        """How many environments were measured in, the good version's included."""
        return 1 + sum(step.outcome != "skipped" for step in self.steps)


Try = Callable[[str], BisectionStep]


def bisect(
    model: Path,
    configuration: str,
    good: str,
    bad: str,
    *,
    options: RuntimeOptions | None = None,
    protocol: Protocol | None = None,
    data: Dataset | None = None,
    threshold: float = THRESHOLD,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Bisection:
    """Find the first bad version between two of a runtime ("onnxruntime" or "onnxruntime:cpu").

    Raises InputError for versions that are not there and for a model that does not run in the
    good version, CreationError when that one cannot be installed, GateError when the machine is
    too busy to decide.
    """
    runtime, _, device = configuration.partition(":")
    wanted = versions.parse(f"{runtime}=={good}")
    candidates = versions.between(installer.available(wanted.package), good, bad)
    say(f"{len(candidates)} versions from {candidates[0]} to {candidates[-1]}")
    results: list[Results] = []

    def attempt(version: str) -> BisectionStep:
        names = []
        for each in (candidates[0], version):
            say(f"creating {wanted.runtime}=={each} if it is not there …")
            try:
                python = environments.create(f"{wanted.package}=={each}")
                names.append(python.parents[1].name)
            except installer.CreationError as error:
                if not names:
                    raise
                return BisectionStep(version, "skipped", error.message)
        suffix = f":{device}" if device else ""
        for more in TRIES:
            pair_results = benchmark(
                [model],
                [f"{name}{suffix}" for name in names],
                options=options,
                protocol=_longer(protocol or resolve("quick"), more),
                data=data,
                passes=JUDGING_PASSES,
                progress=progress,
            )
            first, second = pair_results.measurements
            step = classify_version(first, second, version, threshold)
            say(f"{version}: {step.outcome}: {step.why}")
            if step.outcome != "undecided":
                results.append(pair_results)
                return step
        raise GateError(
            f"undecided whether {wanted.runtime} {version} is slower than {candidates[0]}: "
            f"{step.why}",
            hint="measure on a quieter machine, with more --processes or a larger --max-slower",
        )

    bisection = search(candidates, attempt)
    return replace(bisection, runtime=wanted.runtime, results=tuple(results))


def _longer(protocol: Protocol, factor: int) -> Protocol:
    """The protocol with so many times the processes and the time."""
    return replace(
        protocol,
        processes=protocol.processes * factor,
        most_processes=protocol.most_processes * factor,
        max_secs=protocol.max_secs * factor,
    )


def search(known: Sequence[str], attempt: Try) -> Bisection:
    """Halve `known` (the good version first, the bad one last) until the first bad one is left.

    The bad version itself is tried only where nothing before it turned out bad.
    """
    steps: list[BisectionStep] = []
    tried: dict[str, BisectionStep] = {}
    low, high = 0, len(known) - 1  # known[low] is good, known[high] is taken for bad
    skipped: set[int] = set()
    while True:
        open_ = [index for index in range(low + 1, high) if index not in skipped]
        if not open_:
            break
        middle = open_[len(open_) // 2]
        step = attempt(known[middle])
        steps.append(step)
        tried[step.version] = step
        if step.outcome == "skipped":
            skipped.add(middle)
        elif step.outcome == "bad":
            high = middle
        else:
            low = middle
    first_bad: str | None = known[high]
    if high == len(known) - 1 and known[high] not in tried:
        step = attempt(known[high])
        steps.append(step)
        if step.outcome == "good":
            first_bad = None
        elif step.outcome == "skipped":
            raise InputError(
                f"{known[high]} cannot be tried: {step.why}", hint="pass another --bad"
            )
    return Bisection(
        "",
        known[0],
        known[-1],
        len(known),
        tuple(steps),
        first_bad,
        known[low],
        tuple(known[index] for index in range(low + 1, high)),
    )


def classify_version(
    first: Measurement, second: Measurement, version: str, threshold: float
) -> BisectionStep:
    """Whether a version is as good as the good one. Raises InputError where that one fails."""
    trouble = first.unusable_reason
    if trouble:
        raise InputError(
            f"{first.runtime} does not run this model: {trouble}", hint="pass another --good"
        )
    if second.cause == "missing":
        return BisectionStep(version, "skipped", second.error or "it cannot be used here")
    trouble = second.unusable_reason
    if trouble:
        return BisectionStep(version, "bad", trouble)
    if first.accuracy is not None and second.accuracy is not None:
        change = accuracy_change(first.accuracy, second.accuracy, same_samples=True)
        if change is not None and change[2] == "worse":
            return BisectionStep(version, "bad", f"{change[0]:+.2f} points of accuracy")
    effect, _ = effect_of(second, GateBaseline(remeasured=first))
    if effect is None:
        raise InputError(
            "too few processes to compare two versions", hint="pass --processes 5, or more"
        )
    low, high = effect.interval()
    text = f"{effect.ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}] in latency"
    outcome: VersionOutcome = "undecided"
    if effect.p_slower < CHANCE and effect.ratio > 1 + threshold:
        outcome = "bad"
    elif effect.ratio <= 1 + threshold and high <= 1 + 2 * threshold:
        outcome = "good"
    return BisectionStep(version, outcome, text.replace("-", "−"))


def together(bisection: Bisection) -> Results:
    """All versions in one table, the good one as it was measured first.

    Rounds of different versions get numbers of their own: they are not pairs.
    """
    whole, measured = bisection.results[0], {row.key for row in bisection.results[0].measurements}
    for number, one in enumerate(bisection.results[1:], 1):
        for row in one.measurements:
            if row.key not in measured:
                measured.add(row.key)
                apart = tuple(replace(run, round=run.round + 1_000 * number) for run in row.runs)
                whole = whole.with_measurement(replace(row, runs=apart))
    return whole
