"""What a benchmark leaves behind: runs with their raw samples, measurements, the environment.

The JSON file is a contract (keys in README, "The results file"). Raw samples are the truth;
`latency_ms` and the other derived keys are written for readers and ignored when reading back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from edgecnn.errors import InputError
from edgecnn.files import write_text_atomically
from edgecnn.stats import LatencySummary, summarise_latency

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 1 << 30

Status = Literal["ok", "unsupported", "failed", "timeout", "crashed"]
Verdict = Literal["VALID", "NOISY", "INVALID"]


@dataclass(frozen=True)
class RuntimeOptions:
    """How a runtime is asked to run. `precision` is "default" or "strict_float32"."""

    threads: int = 1
    batch: int = 1
    precision: str = "default"


@dataclass(frozen=True)
class Effective:
    """What really executes, as the runtime itself tells after loading; None where it cannot tell.

    `delegated_fraction` is the share of graph nodes on the accelerated path, `software` is
    True when a "GPU" is emulated on the CPU.
    """

    provider: str
    precision: str
    device_name: str
    delegated_fraction: float | None = None
    threads: int | None = None
    software: bool = False
    runtime_version: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One fresh process: load, first inference, warm-up and steady state apart.

    Times are nanoseconds of a monotonic clock around one inference, input bound before and
    output on the host after. `rss_bytes` holds the resident set "at_start" (interpreter and
    numpy), "after_load", and "peak".
    """

    load_ns: int
    first_inference_ns: int
    warmup_ns: tuple[int, ...]
    samples_ns: tuple[int, ...]
    rss_bytes: Mapping[str, int] = field(default_factory=dict)
    effective: Effective | None = None
    import_ns: int = 0
    started_at: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """What the machine did meanwhile: load, steal time, context switches, frequency."""
    passes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What further passes over the loaded model found, by name ("memory", "energy" …); one that
    could not be made holds `error`."""


@dataclass(frozen=True)
class Accuracy:
    """A task metric on this runtime's own outputs, with the Wilson 95% interval.

    `parent_value` is the float parent's on the same samples, `mcnemar_p` how likely so uneven
    a split of their differences is by chance; `trained_value` is what training measured on
    the same data.
    """

    metric: str
    value: float
    n: int
    ci95: tuple[float, float] | None = None
    parent_value: float | None = None
    mcnemar_p: float | None = None
    trained_value: float | None = None


@dataclass(frozen=True)
class Parity:
    """How far outputs are from the parent model's on the same inputs.

    `snr_db` is 10·log10(signal power / error power), None when the outputs are identical.
    """

    max_abs_error: float
    snr_db: float | None
    cosine: float
    top1_agreement: float | None
    n: int
    parent_sha256: str | None = None


@dataclass(frozen=True)
class ArtifactRecord:
    """The model file a measurement speaks of; `size_bytes` is 0 when there is no file."""

    name: str
    format: str
    recipe: str
    sha256: str
    size_bytes: int
    model: str = ""


@dataclass(frozen=True)
class Measurement:
    """One artifact on one runtime with one set of options: a row of the table."""

    artifact: ArtifactRecord
    runtime: str
    device: str
    options: RuntimeOptions = RuntimeOptions()
    status: Status = "ok"
    runs: tuple[Run, ...] = ()
    accuracy: Accuracy | None = None
    parity: Parity | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    error: str | None = None
    hint: str | None = None

    @property
    def configuration(self) -> str:
        """`runtime:device`."""
        return f"{self.runtime}:{self.device}" if self.runtime else ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes this row this row: the same key measured again replaces it."""
        options = self.options
        return (
            self.artifact.name,
            self.artifact.sha256,
            self.configuration,
            str(options.threads),
            str(options.batch),
            options.precision,
        )

    @property
    def effective(self) -> Effective | None:
        """What executed, as the first process told."""
        return self.runs[0].effective if self.runs else None

    @cached_property
    def latency(self) -> LatencySummary | None:
        """Steady-state latency of one inference (one batch) in milliseconds."""
        return summarise_latency([np.asarray(run.samples_ns, np.int64) for run in self.runs])

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
        """Samples a second, one request after the other: batch / mean latency."""
        if self.latency is None or self.latency.mean == 0:
            return None
        return self.options.batch * 1e3 / self.latency.mean

    @property
    def memory(self) -> dict[str, int | None]:
        """Resident memory in bytes: the largest over processes, and what loading added."""
        peaks = [run.rss_bytes["peak"] for run in self.runs if "peak" in run.rss_bytes]
        growth = [
            run.rss_bytes["after_load"] - run.rss_bytes["at_start"]
            for run in self.runs
            if {"after_load", "at_start"} <= run.rss_bytes.keys()
        ]
        return {
            "peak_rss_bytes": max(peaks, default=None),
            "load_growth_bytes": max(growth, default=None),
        }

    def found(self, name: str) -> Mapping[str, Any] | None:
        """What the pass `name` found, in the first process that made it."""
        return next((run.passes[name] for run in self.runs if name in run.passes), None)

    def to_dict(self) -> dict[str, Any]:
        latency = self.latency
        effective = self.effective
        return {
            "artifact": asdict(self.artifact),
            "runtime": self.runtime,
            "device": self.device,
            "options": asdict(self.options),
            "status": self.status,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "error": self.error,
            "hint": self.hint,
            "effective": asdict(effective) if effective else None,
            "load_ms": self.load_ms,
            "first_inference_ms": self.first_inference_ms,
            "latency_ms": _latency_dict(latency) if latency else None,
            "throughput_per_s": self.throughput_per_s,
            "samples": latency.count if latency else 0,
            "memory": self.memory,
            "accuracy": asdict(self.accuracy) if self.accuracy else None,
            "parity": asdict(self.parity) if self.parity else None,
            "runs": [asdict(run) for run in self.runs],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        accuracy, parity = values.get("accuracy"), values.get("parity")
        return cls(
            artifact=_build(ArtifactRecord, values["artifact"]),
            runtime=values["runtime"],
            device=values["device"],
            options=_build(RuntimeOptions, values["options"]),
            status=values["status"],
            runs=tuple(run_from_dict(run) for run in values["runs"]),
            accuracy=_build(Accuracy, accuracy) if accuracy else None,
            parity=_build(Parity, parity) if parity else None,
            verdict=values.get("verdict"),
            reasons=tuple(values.get("reasons", ())),
            error=values.get("error"),
            hint=values.get("hint"),
        )


@dataclass(frozen=True)
class Environment:
    """The machine and the software: what must be the same before two numbers are compared."""

    created_at: str = ""
    """Local date and time with zone offset, ISO 8601."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """board, cpu_model, architecture, physical_cores, logical_cores, instruction_sets,
    memory_bytes, governor, gpus, virtual."""
    system: Mapping[str, str] = field(default_factory=dict)
    """os, kernel, python, libc."""
    packages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Environment:
        environment: Environment = _build(cls, values)
        return environment


@dataclass(frozen=True)
class Results:
    """All measurements of one session on one machine."""

    measurements: tuple[Measurement, ...]
    environment: Environment = Environment()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """Name and numbers of the measurement protocol (processes, minimum time and count …)."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The data set behind inputs and accuracy: name, sha256, split, n, labels."""
    command: str = ""
    schema_version: int = SCHEMA_VERSION

    def with_measurement(self, measurement: Measurement) -> Results:
        """A copy in which `measurement` replaces the row of the same key, or comes last."""
        kept = tuple(row for row in self.measurements if row.key != measurement.key)
        return replace(self, measurements=(*kept, measurement))

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": self.schema_version,
            "command": self.command,
            "environment": asdict(self.environment),
            "protocol": dict(self.protocol),
            "data": dict(self.data),
            "measurements": [row.to_dict() for row in self.measurements],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Results:
        """Read what `to_dict` wrote. Raises InputError for another schema or another thing."""
        version = values.get("schema_version") if isinstance(values, Mapping) else None
        if not isinstance(version, int) or not isinstance(values.get("measurements"), list):
            raise InputError("not an edgecnn results file: no schema_version and measurements")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"results schema {version} is newer than this edgecnn reads ({SCHEMA_VERSION})",
                hint="update edgecnn",
            )
        try:
            return cls(
                measurements=tuple(Measurement.from_dict(row) for row in values["measurements"]),
                environment=Environment.from_dict(values.get("environment", {})),
                protocol=values.get("protocol", {}),
                data=values.get("data", {}),
                command=values.get("command", ""),
                schema_version=SCHEMA_VERSION,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"not an edgecnn results file: {type(error).__name__}: {error}"
            ) from error

    def save(self, path: Path) -> None:
        """Write the JSON file; a reader sees the old file or the new one."""
        write_text_atomically(path, json.dumps(self.to_dict(), separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a results file. Raises InputError when it is missing, damaged or not ours."""
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise InputError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}: not a complete JSON file ({error})",
                hint="the file is truncated or not an edgecnn results file",
            ) from error
        try:
            return cls.from_dict(values)
        except InputError as error:
            raise InputError(f"{path}: {error.message}", hint=error.hint) from error


def _build(kind: Any, values: Mapping[str, Any]) -> Any:
    """Build a dataclass from a mapping, leaving out keys it does not know; lists become tuples."""
    known = kind.__dataclass_fields__
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }
    )


def run_from_dict(values: Mapping[str, Any]) -> Run:
    """Read a Run from JSON; keys it does not know are left out."""
    effective = values.get("effective")
    run: Run = _build(Run, values)
    return replace(run, effective=_build(Effective, effective) if effective else None)


def _median_ms(times_ns: Sequence[int]) -> float | None:
    return median(times_ns) / 1e6 if times_ns else None


def _latency_dict(summary: LatencySummary) -> dict[str, Any]:
    names = ("p50", "p90", "p95", "p99", "mean", "std", "min", "max", "ci95", "outliers")
    return {name: getattr(summary, name) for name in names}
