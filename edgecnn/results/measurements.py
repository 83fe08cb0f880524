"""One row of a benchmark: runs with their raw samples, and the numbers derived from them.

Raw samples are the truth; whatever a property here derives is written for readers of the file
and ignored when it is read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from statistics import median
from typing import Any, Literal

import numpy as np

from edgecnn.preprocessing import Fed
from edgecnn.records import FieldError, inside, read_list, read_record
from edgecnn.results.foreign_text import make_harmless
from edgecnn.results.output_quality import Accuracy, Parity
from edgecnn.results.run_options import Load, Placement, RuntimeOptions, apart
from edgecnn.results.runs import Effective, Run, run_from_dict
from edgecnn.roofline import Roofline, limit_of, locate
from edgecnn.statistics.samples import (
    LatencySummary,
    median_of_processes_interval,
    p50_and_p90_ms,
    percentile,
    summarize_latency,
)
from edgecnn.text import fitted

Status = Literal["ok", "unsupported", "failed", "timeout", "crashed"]
Cause = Literal["", "missing", "input"]
"""Why nothing was measured: "missing" is a runtime, device or package that this machine lacks,
"input" a file or an option that cannot be used."""
Verdict = Literal["VALID", "NOISY", "INVALID"]
REASON_LENGTH = 400
"""Characters of why a row has no usable number."""


@dataclass(frozen=True)
class Contention:
    """What a neighbor on the machine did to a measurement.

    `share` is the part (0…1) of the sampled time in which the machine was disturbed, `p50_ms` the
    median latency in that time (None when there was none), `p99_ms` the 99th percentile over
    all samples, disturbed or not (None with too few).
    """

    share: float
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class ArtifactRecord:
    """The model file a measurement speaks of; `size_bytes` is 0 when there is no file.

    `parent_sha256` is that of the model it was converted from, empty where none is known.
    """

    name: str
    format: str
    recipe: str
    sha256: str
    size_bytes: int
    model: str = ""
    task: str = ""
    parent_sha256: str = ""

    def __post_init__(self) -> None:
        make_harmless(self, "name", "format", "recipe", "sha256", "model", "task", "parent_sha256")


@dataclass(frozen=True)
class Measurement:
    """One artifact on one runtime with one set of options: a row of the table."""

    artifact: ArtifactRecord
    runtime: str
    device: str
    options: RuntimeOptions = field(default_factory=RuntimeOptions)
    status: Status = "ok"
    runs: tuple[Run, ...] = ()
    accuracy: Accuracy | None = None
    parity: Parity | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    error: str | None = None
    hint: str | None = None
    fed: Fed | None = None
    """What samples of the data became, and from where that is known; None without data."""
    cause: Cause = ""
    placement: Placement = field(default_factory=Placement)
    load: Load = field(default_factory=Load)
    """How requests arrive; `load_ms` is another thing, the time that reading the model takes."""

    def __post_init__(self) -> None:
        make_harmless(
            self,
            "runtime",
            "device",
            "status",
            "verdict",
            "reasons",
            "error",
            "hint",
            "cause",
            "fed",
        )

    @property
    def asked(self) -> dict[str, Any]:
        """Everything that was asked of the row, by name: of the runtime, its place and the load."""
        return {**asdict(self.options), **asdict(self.placement), **asdict(self.load)}

    @property
    def configuration(self) -> str:
        """`runtime:device`."""
        return f"{self.runtime}:{self.device}" if self.runtime else ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes this row this row: the same key measured again replaces it."""
        options, load = self.options, self.load
        server = load.scenario == "server"
        return (
            self.artifact.name,
            self.artifact.sha256,
            self.configuration,
            str(options.threads),
            str(options.batch),
            options.precision,
            ",".join(map(str, self.placement.affinity)),
            load.scenario,
            str(load.streams),
            *((f"{load.target_qps:g}", f"{load.latency_bound_ms:g}") if server else ()),
            *((options.shape,) if options.shape else ()),
            *((f"beam {options.beam}",) if options.beam else ()),
        )

    @property
    def unusable_reason(self) -> str:
        """Why the row has no number that may be used; empty where it has one."""
        if self.status == "ok" and self.verdict != "INVALID":
            return ""
        why = "; ".join(self.reasons) or self.error or ""
        return fitted(f"{self.verdict or self.status}{f': {why}' if why else ''}", REASON_LENGTH)

    @property
    def effective(self) -> Effective | None:
        """What executed, as the first process reported."""
        return self.runs[0].effective if self.runs else None

    @cached_property
    def latency(self) -> LatencySummary | None:
        """Steady-state latency in milliseconds of one inference (one batch).

        It is the latency of the undisturbed machine (see `contention`), over processes that found
        it undisturbed; where none did it is the disturbed one, without an interval. Count,
        extremes and outliers are of all samples. With scenario "multi_stream" it is that of a
        query (`streams` samples), with "server" it counts from the query's arrival, waiting
        included.
        """
        samples = [run.all_ns for run in self.runs]
        if not samples:
            return None
        quiet = [run.quiet_ns for run in self.runs if run.quiet_ns.size]
        summary = summarize_latency(quiet or samples, np.concatenate(samples))
        return summary if quiet or summary is None else replace(summary, ci95=None)

    @property
    def contention(self) -> Contention | None:
        """How often the machine was disturbed while measuring; None where it was not looked at."""
        watched = [run for run in self.runs if run.blocks]
        if not watched:
            return None
        quiet, contended = (
            np.concatenate([getattr(run, name) for run in watched])
            for name in ("quiet_ns", "contended_ns")
        )
        total = float(quiet.sum() + contended.sum())
        return Contention(
            share=float(contended.sum()) / total if total else 0.0,
            p50_ms=float(np.median(contended)) / 1e6 if contended.size else None,
            p99_ms=_in_ms(percentile(np.concatenate([quiet, contended]), 0.99)),
        )

    @property
    def round_medians_ms(self) -> dict[int, float]:
        """Round of the session → median latency of that round's process on the undisturbed machine.

        Rounds without an undisturbed block are absent. Two rows of one results file are compared
        round by round.
        """
        return {
            run.round: median_ns / 1e6
            for run in self.runs
            if (median_ns := run.quiet_median_ns) is not None
        }

    @property
    def load_ms(self) -> float | None:
        """Median over processes of reading and compiling the model."""
        return _median_ms([run.load_ns for run in self.runs])

    @property
    def first_inference_ms(self) -> float | None:
        """Median over processes of the very first inference."""
        return _median_ms([run.first_inference_ns for run in self.runs])

    @property
    def throughput_per_s(self) -> float | None:
        """Samples a second.

        One request after the other: samples of a request / mean latency. "offline" and
        "server": median over processes of what was answered in the time it took; 0 when a
        server kept its latency bound at no rate.
        """
        if self.load.scenario in ("offline", "server"):
            rates = [_rate(run.queries) for run in self.runs if run.queries]
            return median(rates) if rates else None
        if self.latency is None or self.latency.mean == 0:
            return None
        multi = self.load.scenario == "multi_stream"
        return (self.load.streams if multi else self.options.batch) * 1e3 / self.latency.mean

    @property
    def relative_spread(self) -> float | None:
        """Half-width of the headline's 95% interval as a share of it; None when unknown.

        The headline is the median latency, for "offline" and "server" the throughput.
        """
        if self.load.scenario not in ("offline", "server"):
            return self.latency.relative_spread if self.latency else None
        rates = [_rate(run.queries) for run in self.runs if run.queries]
        interval = median_of_processes_interval(rates)
        middle = median(rates) if rates else 0.0
        return (interval[1] - interval[0]) / 2 / middle if interval and middle else None

    @property
    def stages_ms(self) -> dict[str, dict[str, float | None] | None] | None:
        """p50 and p90 in milliseconds of each stage and of "end_to_end", their sum a sample.

        A stage that could not be measured is None; None altogether without the pass.
        """
        times = (self.pass_result("stages") or {}).get("times_ns")
        if not times:
            return None
        return {name: p50_and_p90_ms(values) if values else None for name, values in times.items()}

    @property
    def memory(self) -> dict[str, int | None]:
        """Resident memory in bytes: the largest over processes (see `Run.peak_bytes`), and what
        loading added.
        """
        peaks = [run.peak_bytes for run in self.runs if run.peak_bytes is not None]
        growth = [
            run.rss_bytes["after_load"] - run.rss_bytes["at_start"]
            for run in self.runs
            if {"after_load", "at_start"} <= run.rss_bytes.keys()
        ]
        return {
            "peak_rss_bytes": max(peaks, default=None),
            "load_growth_bytes": max(growth, default=None),
        }

    @property
    def cost(self) -> Mapping[str, Any] | None:
        """What the model file says a sample costs; None where it could not be counted.

        macs, parameters, weight_bytes, activation_bytes, and bytes_moved in an inference of
        this row's batch.
        """
        cost = self.pass_result("cost") or {}
        counted = (cost.get("macs"), cost.get("bytes_moved"))
        return cost if all(isinstance(value, (int, float)) for value in counted) else None

    def roofline(self, limits: Any) -> Roofline | None:
        """The share of the machine's limit that is reached, one inference after the other.

        `limits` are the environment's (see `roofline.limit_of`). None without them, without a
        cost, on other devices than the processor, and in other scenarios.
        """
        cost, effective, latency = self.cost, self.effective, self.latency
        single = self.load.scenario == "single_stream" and self.device == "cpu"
        if cost is None or effective is None or latency is None or not single:
            return None
        limit = limit_of(limits, self.options.threads, effective.precision)
        if limit is None:
            return None
        return locate(
            macs=cost["macs"],
            bytes_moved=cost["bytes_moved"],
            batch=self.options.batch,
            seconds=latency.p50 / 1e3,
            limit=limit,
        )

    def pass_result(self, name: str) -> Mapping[str, Any] | None:
        """What the pass `name` found, in the first process that made it."""
        return next((run.passes[name] for run in self.runs if name in run.passes), None)

    def to_dict(self) -> dict[str, Any]:
        latency = self.latency
        effective = self.effective
        contention = self.contention
        return {
            "artifact": asdict(self.artifact),
            "runtime": self.runtime,
            "device": self.device,
            "options": asdict(self.options),
            "placement": asdict(self.placement),
            "load": asdict(self.load),
            "status": self.status,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "error": self.error,
            "hint": self.hint,
            "cause": self.cause,
            "effective": asdict(effective) if effective else None,
            "load_ms": self.load_ms,
            "first_inference_ms": self.first_inference_ms,
            "latency_ms": _latency_dict(latency) if latency else None,
            "contention": asdict(contention) if contention else None,
            "throughput_per_s": self.throughput_per_s,
            "samples": latency.count if latency else 0,
            "memory": self.memory,
            "stages_ms": self.stages_ms,
            "cost": dict(self.cost) if self.cost else None,
            "accuracy": asdict(self.accuracy) if self.accuracy else None,
            "parity": self.parity.to_dict() if self.parity else None,
            "fed": asdict(self.fed) if self.fed else None,
            "runs": [run.to_dict() for run in self.runs],
        }

    @classmethod
    def from_dict(cls, values: Any, at: str = "measurement") -> Measurement:
        """Read what `to_dict` wrote, from the path `at` of a document.

        Derived keys are ignored. Raises FieldError for a field that is missing or of another
        type, and for counts that make no sense.
        """
        runs: Sequence[Any] = ()
        if isinstance(values, Mapping):
            runs = read_list(values.get("runs"), inside(at, "runs"))
            values = apart({**values, "runs": ()})
        row = read_record(cls, values, at)
        read = (
            run_from_dict(run, inside(inside(at, "runs"), index)) for index, run in enumerate(runs)
        )
        row = replace(row, runs=tuple(read))
        _check_counts(row, at)
        return row


def _check_counts(row: Measurement, at: str) -> None:
    for part, name, least in (
        ("options", "threads", 1),
        ("options", "batch", 1),
        ("options", "beam", 0),
        ("load", "streams", 1),
        ("load", "target_qps", 0),
        ("artifact", "size_bytes", 0),
        ("accuracy", "n", 0),
        ("parity", "n", 0),
    ):
        holder = getattr(row, part)
        if holder is not None and getattr(holder, name) < least:
            raise FieldError(
                inside(inside(at, part), name),
                f"expected {least} or more, received: {getattr(holder, name)}",
            )


def _in_ms(time_ns: float | None) -> float | None:
    return None if time_ns is None else time_ns / 1e6


def _median_ms(times_ns: Sequence[int]) -> float | None:
    return median(times_ns) / 1e6 if times_ns else None


def _rate(queries: Mapping[str, Any]) -> float:
    """Samples a second; 0 where a latency bound was set and did not hold."""
    if queries.get("valid") is False or not queries.get("elapsed_ns"):
        return 0.0
    return float(queries["samples"] * 1e9 / queries["elapsed_ns"])


def _latency_dict(summary: LatencySummary) -> dict[str, Any]:
    names = ("p50", "p90", "p95", "p99", "mean", "std", "min", "max", "ci95", "outliers")
    return {name: getattr(summary, name) for name in names}
