"""What a benchmark leaves behind: measurements, and the environment they were made in.

The JSON file is a contract (keys in README, "The results file"). Raw samples are the truth;
`latency_ms` and the other derived keys are written for readers and ignored when reading back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.files import write_text_atomically
from edgecnn.measurements import (
    Accuracy,
    ArtifactRecord,
    Contention,
    Measurement,
    Parity,
    RuntimeOptions,
    Status,
    Verdict,
)
from edgecnn.runs import Block, Effective, Run, build, run_from_dict

__all__ = [
    "Accuracy",
    "ArtifactRecord",
    "Block",
    "Contention",
    "Effective",
    "Environment",
    "Measurement",
    "Parity",
    "Results",
    "Run",
    "RuntimeOptions",
    "Status",
    "Verdict",
    "run_from_dict",
]

SCHEMA_VERSION = 2
MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class Environment:
    """The machine and the software: what must be the same before two numbers are compared."""

    created_at: str = ""
    """Local date and time with zone offset, ISO 8601."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """board, cpu_model, architecture, physical_cores, logical_cores, instruction_sets,
    memory_bytes, governor, gpus, virtual; limits where they were measured."""
    system: Mapping[str, str] = field(default_factory=dict)
    """os, kernel, python, libc."""
    packages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Environment:
        environment: Environment = build(cls, values)
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
            "measurements": [self._row(row) for row in self.measurements],
        }

    def _row(self, measurement: Measurement) -> dict[str, Any]:
        roofline = measurement.roofline(self.environment.machine.get("limits"))
        return {**measurement.to_dict(), "roofline": asdict(roofline) if roofline else None}

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
                schema_version=version,
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
