"""A row: one measurement, flat; what every table, chart and answer is made from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from edgecnn.accuracy_drop import AccuracyDrop
from edgecnn.output_quality import Accuracy
from edgecnn.ratios import FEWEST
from edgecnn.reporting.pairing import Times

QUANTILES = (
    *(0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0),
)
"""Where the empirical distribution is sampled for the charts; raw samples never get there."""


@dataclass(frozen=True)
class Row:
    """One measurement of one results file, flat. Times are ms, sizes bytes, shares 0…1."""

    id: int
    machine: int
    """Index of the results file."""
    machine_label: str
    artifact: str
    model: str
    format: str
    recipe: str
    sha256: str
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
    command: str
    provider: str = ""
    precision: str = ""
    device_name: str = ""
    runtime_version: str = ""
    delegated: float | None = None
    software: bool = False
    processes: int = 0
    samples: int = 0
    p50: float | None = None
    p50_low: float | None = None
    p50_high: float | None = None
    p90: float | None = None
    p90_low: float | None = None
    p90_high: float | None = None
    p95: float | None = None
    p95_low: float | None = None
    p95_high: float | None = None
    p99: float | None = None
    p99_low: float | None = None
    p99_high: float | None = None
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
    load: float | None = None
    load_low: float | None = None
    load_high: float | None = None
    """The range over processes, here and for the first inference and memory."""
    first: float | None = None
    first_low: float | None = None
    first_high: float | None = None
    peak_rss: float | None = None
    peak_rss_low: float | None = None
    load_growth: float | None = None
    size: float | None = None
    metric: str = ""
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    accuracy_n: int = 0
    drop: float | None = None
    """Percentage points lost against the baseline of the same model on the same machine."""
    drop_low: float | None = None
    drop_high: float | None = None
    drop_floor: float | None = None
    drop_bound: float | None = None
    """The least and the most that is lost with 95% confidence: the bounds that decide."""
    drop_lost: int | None = None
    drop_gained: int | None = None
    """The samples that only the baseline, and that only this row got right."""
    unproven: str = ""
    """Why its accuracy is not evidence: it guesses, or answers one class."""
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    cosine: float | None = None
    snr_db: float | None = None
    agreement: float | None = None
    energy: float | None = None
    macs: float | None = None
    moved: float | None = None
    quantiles: tuple[float, ...] = ()
    """Latency at `QUANTILES`."""
    sustained: tuple[tuple[float, ...], ...] = ()
    """(minute, p50, p90, °C or NaN) of a sustained run."""
    end_to_end: float | None = None
    """p50 from the encoded image to the class."""
    encoder: float | None = None
    step: float | None = None
    ids_per_s: float | None = None
    """Of a sequence model: p50 of its encoder and of one step, ids answered a second."""
    leak: float | None = None
    """Memory that grew over the inferences of a pass of its own."""
    operators: tuple[tuple[str, float], ...] = ()
    """The costliest operators with their share of the time."""
    peak_ops: float | None = None
    bandwidth: float | None = None
    roof_share: float | None = None
    """The part of the machine's limit that is reached."""
    lineage: str = ""
    """The network: rows of one lineage compete for an answer."""
    contended: float | None = None
    """Share of the time in which a neighbor shared the core; None where nobody looked."""
    contended_p50: float | None = None
    contended_p99: float | None = None
    ties: tuple[int, ...] = ()
    """Ids of slower rows of the same group that are statistically indistinguishable from it."""
    times: Times = field(default_factory=Times)
    quality: Accuracy | None = None
    fed: str = ""
    """What samples of the data became, and from where that is known; empty without data."""
    incomparable: str = ""
    """Why this row must not be compared with its namesakes of other files; empty if it may."""

    @property
    def configuration(self) -> str:
        """`runtime:device`."""
        return f"{self.runtime}:{self.device}" if self.runtime else self.device

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
        if self.p50 is None or self.p50_low is not None:
            return ""
        quiet = len(self.times.quiet)
        if self.times.watched and quiet < self.processes:
            return f"no interval: {quiet} of {self.processes} processes undisturbed"
        count = "one process" if self.processes == 1 else f"{self.processes} processes"
        return f"no interval: {count}"

    @property
    def accuracy_drop(self) -> AccuracyDrop | None:
        """The drop with its interval; None where there is no interval."""
        if self.drop is None or self.drop_low is None or self.drop_high is None:
            return None
        return AccuracyDrop(
            self.drop,
            self.drop_low,
            self.drop_high,
            self.accuracy_n,
            self.drop_lost,
            self.drop_gained,
        )


INTERNAL = frozenset({"times", "quality"})
"""What other columns are worked out from; no renderer shows it."""

SHOWN = tuple(one.name for one in fields(Row) if one.name not in INTERNAL)
