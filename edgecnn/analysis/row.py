"""A row: one measurement; what every table, chart and answer is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecnn.analysis.pairing import Times
from edgecnn.deprecation import old_names
from edgecnn.results.accuracy_drop import AccuracyDrop
from edgecnn.results.output_quality import Accuracy
from edgecnn.results.run_options import Load
from edgecnn.statistics.interval import UNKNOWN, Interval
from edgecnn.statistics.ratios import FEWEST

QUANTILES = (
    *(0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0),
)
"""Where the empirical distribution is sampled for the charts; raw samples never get there."""


@dataclass(frozen=True)
class Provenance:
    """Where a row comes from."""

    sha256: str = ""
    command: str = ""
    """What measures it again."""
    fed: str = ""
    """What samples of the data became, and from where that is known; empty without data."""


@dataclass(frozen=True)
class Execution:
    """What executed, as far as the runtime says it."""

    provider: str = ""
    precision: str = ""
    device_name: str = ""
    runtime_version: str = ""
    delegated: float | None = None
    software: bool = False


@dataclass(frozen=True)
class Speed:
    """Latency in ms with 95% intervals, and throughput in samples a second."""

    processes: int = 0
    samples: int = 0
    p50: Interval = UNKNOWN
    p90: Interval = UNKNOWN
    p95: Interval = UNKNOWN
    p99: Interval = UNKNOWN
    paired_p50: float | None = None
    paired_throughput: float | None = None
    """By the rounds that the rows of a group share: what they are ranked by. None where a row
    shares fewer than three.
    """
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    outliers: int = 0
    throughput: float | None = None
    speedup: Interval = UNKNOWN
    """Over the Keras model."""
    quantiles: tuple[float, ...] = ()
    """Latency at `QUANTILES`."""
    sustained: tuple[tuple[float, ...], ...] = ()
    """(minute, p50, p90, °C or NaN) of a sustained run."""
    end_to_end: float | None = None
    """p50 from the encoded image to the class."""


@dataclass(frozen=True)
class ContendedLatency:
    """A neighbor on the core: the share of the time, None where nobody looked, and the latency
    in ms then.
    """

    contended: float | None = None
    contended_p50: float | None = None
    contended_p99: float | None = None


@dataclass(frozen=True)
class Startup:
    """ms of loading and of the first inference, with their ranges over processes."""

    load: Interval = UNKNOWN
    first: Interval = UNKNOWN


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    peak_rss: Interval = UNKNOWN
    """The most over processes, and the least."""
    load_growth: float | None = None
    leak: float | None = None
    """Memory that grew over the inferences of a pass of its own."""


@dataclass(frozen=True)
class Correctness:
    """Accuracy as a share (0…1) over `accuracy_n` samples; the drop in percentage points against
    the baseline of the same model on the same machine; how close the outputs are to the parent's.
    """

    metric: str = ""
    accuracy: Interval = UNKNOWN
    accuracy_n: int = 0
    drop: Interval = UNKNOWN
    drop_floor: float | None = None
    drop_bound: float | None = None
    """The least and the most that is lost with 95% confidence: the bounds that decide."""
    drop_lost: int | None = None
    drop_gained: int | None = None
    """The samples that only the baseline, and that only this row got right."""
    unproven: str = ""
    """Why its accuracy is not evidence: it guesses, or answers one class."""
    cosine: float | None = None
    snr_db: float | None = None
    agreement: float | None = None
    record: Accuracy | None = None
    """What drops are worked out from; no renderer shows it."""


@dataclass(frozen=True)
class InferenceCost:
    """What an inference costs, and the machine's limits (operations and bytes a second)."""

    energy: float | None = None
    """Joules."""
    macs: float | None = None
    moved: float | None = None
    operators: tuple[tuple[str, float], ...] = ()
    """The costliest operators with their share of the time."""
    peak_ops: float | None = None
    bandwidth: float | None = None
    roof_share: float | None = None
    """The part of the machine's limit that is reached."""


@dataclass(frozen=True)
class SequenceSteps:
    """Of a sequence model: p50 of its encoder and of one step in ms, ids answered a second."""

    encoder: float | None = None
    step: float | None = None
    ids_per_s: float | None = None


@dataclass(frozen=True)
class Row:
    """One measurement of one results file: what was measured, and what was found, by idea.

    Times are ms, sizes bytes, shares 0…1. `columns` has the same as flat columns.
    """

    id: int
    machine: int
    """Index of the results file."""
    machine_label: str
    artifact: str
    model: str
    format: str
    recipe: str
    runtime: str
    device: str
    threads: int
    batch: int
    precision_asked: str
    scenario: str
    streams: int
    affinity: str
    state: str
    """VALID, NOISY, INVALID, unjudged, unsupported, failed, timeout or crashed."""
    reason: str
    advice: str
    shape: str = ""
    """Sizes given for what the model leaves open; empty where none were."""
    beam: int = 0
    """Hypotheses that a sequence model was asked to follow; 0 is its own number."""
    target_qps: float | None = None
    latency_bound_ms: float | None = None
    """The rate asked of a server (0: the highest within the bound) and its bound."""
    size: float | None = None
    lineage: str = ""
    """The network: rows of one lineage compete for an answer."""
    incomparable: str = ""
    """Why this row must not be compared with its namesakes of other files; empty if it may."""
    provenance: Provenance = Provenance()
    execution: Execution = Execution()
    speed: Speed = Speed()
    contention: ContendedLatency = ContendedLatency()
    startup: Startup = Startup()
    memory: Memory = Memory()
    correctness: Correctness = Correctness()
    cost: InferenceCost = InferenceCost()
    steps: SequenceSteps = SequenceSteps()
    ties: tuple[int, ...] = ()
    """Ids of slower rows of the same group that are statistically indistinguishable from it."""
    times: Times = field(default_factory=Times)
    """What ratios are worked out from; no renderer shows it."""

    @property
    def configuration(self) -> str:
        """`runtime:device`."""
        return f"{self.runtime}:{self.device}" if self.runtime else self.device

    @property
    def unusual(self) -> str:
        """What was asked where it is not the usual: ` batch 4 shape 1x3x320x320 strict`."""
        text = f" batch {self.batch}" if self.batch != 1 else ""
        if self.shape:
            text += f" shape {self.shape}"
        if self.beam:
            text += f" beam {self.beam}"
        if self.scenario != "single_stream":
            text += f" {self.scenario} {self.streams}"
        if self.target_qps:
            text += f" {self.target_qps:g} qps"
        if self._bound:
            text += f" bound {self._bound:g} ms"
        return f"{text} strict" if self.precision_asked == "strict_float32" else text

    @property
    def work(self) -> str:
        """What was asked besides the scenario and decides which rows compete, empty for the usual:
        `shape 1x3x320x320`, `100 queries a second, latency bound 50 ms`.
        """
        words = [f"shape {self.shape}"] if self.shape else []
        if self.target_qps:
            words.append(f"{self.target_qps:g} queries a second")
        if self._bound:
            words.append(f"latency bound {self._bound:g} ms")
        return ", ".join(words)

    @property
    def _bound(self) -> float | None:
        """The latency bound where it is not the usual one."""
        return None if self.latency_bound_ms == Load.latency_bound_ms else self.latency_bound_ms

    @property
    def measured(self) -> bool:
        """Whether its numbers may be used: VALID, NOISY or not judged, with a latency."""
        usable = self.state in {"VALID", "NOISY", "unjudged"}
        return usable and (self.p50 is not None or self.throughput is not None)

    @property
    def timed(self) -> bool:
        """Whether its latency is that of one request after the other."""
        return self.measured and self.scenario == "single_stream" and self.p50 is not None

    @property
    def alone(self) -> bool:
        """Whether fewer than three processes count, which say nothing about the machine."""
        return len(self.times.quiet or self.times.every) < FEWEST

    @property
    def lack(self) -> str:
        """Why the latency has no interval; empty where it has one, or there is no latency."""
        if self.p50 is None or self.speed.p50.bounds is not None:
            return ""
        quiet, processes = len(self.times.quiet), self.speed.processes
        if self.times.watched and quiet < processes:
            return f"no interval: {quiet} of {processes} processes undisturbed"
        count = "one process" if processes == 1 else f"{processes} processes"
        return f"no interval: {count}"

    @property
    def accuracy_drop(self) -> AccuracyDrop | None:
        """The drop with its interval; None where there is no interval."""
        correctness = self.correctness
        if correctness.drop.estimate is None or correctness.drop.bounds is None:
            return None
        return AccuracyDrop(
            correctness.drop.estimate,
            *correctness.drop.bounds,
            correctness.accuracy_n,
            correctness.drop_lost,
            correctness.drop_gained,
        )

    # What a selection asks of a candidate (see `selection.Candidate`).

    @property
    def p50(self) -> float | None:
        return self.speed.p50.estimate

    @property
    def throughput(self) -> float | None:
        return self.speed.throughput

    @property
    def paired_p50(self) -> float | None:
        return self.speed.paired_p50

    @property
    def paired_throughput(self) -> float | None:
        return self.speed.paired_throughput

    @property
    def accuracy(self) -> float | None:
        return self.correctness.accuracy.estimate

    @property
    def accuracy_interval(self) -> Interval:
        return self.correctness.accuracy

    @property
    def drop(self) -> float | None:
        return self.correctness.drop.estimate

    @property
    def drop_bound(self) -> float | None:
        return self.correctness.drop_bound

    @property
    def peak_rss(self) -> float | None:
        return self.memory.peak_rss.estimate

    @property
    def energy(self) -> float | None:
        return self.cost.energy


__getattr__ = old_names(
    __name__, {"Cost": "InferenceCost", "Steps": "SequenceSteps", "Contention": "ContendedLatency"}
)
