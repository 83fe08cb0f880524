"""A results file: measurements and the environment they were made in.

The JSON file is a contract (keys in docs/reference/results.md). Raw samples are the truth;
`latency_ms` and the other derived keys are written for readers and ignored when reading back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.files import parse_json, read_text_file, write_text_atomically
from edgecnn.records import FieldError, inside, read_field, read_list, read_record
from edgecnn.results.foreign_text import make_harmless
from edgecnn.results.measurements import (
    Measurement,
)
from edgecnn.results.repeat import Repeat

SCHEMA_VERSION = 4
"""1: first. 2: rounds, and blocks with the state of the machine. 3: the environment in each run.
4: `placement` and `load` next to `options`, which held them before.
Older files are read as they are: what they do not say is empty."""
MAX_FILE_BYTES = 256 << 20
"""About 35 million raw samples; read back, a file takes up to 12 times its size in memory."""


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

    def __post_init__(self) -> None:
        make_harmless(self, "created_at", "machine", "system", "packages")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Environment:
        """Read what was written from it. Raises FieldError."""
        return read_record(cls, values, "environment")


@dataclass(frozen=True)
class UnreadRow:
    """A row of a results file that could not be read: which one, and why."""

    row: str
    reason: str

    def __str__(self) -> str:
        return f"{self.row} left out: {self.reason}"


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
    repeat: Repeat = field(default_factory=Repeat)
    """What it takes to measure a row again."""
    schema_version: int = SCHEMA_VERSION
    left_out: tuple[UnreadRow, ...] = ()
    """Rows of the file that these results were read from which could not be read; not saved."""

    def __post_init__(self) -> None:
        make_harmless(self, "protocol", "data", "command")

    def with_measurement(self, measurement: Measurement) -> Results:
        """A copy in which `measurement` replaces the row of the same key, or comes last."""
        kept = tuple(row for row in self.measurements if row.key != measurement.key)
        return replace(self, measurements=(*kept, measurement))

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": self.schema_version,
            "command": self.command,
            "repeat": asdict(self.repeat),
            "environment": asdict(self.environment),
            "protocol": dict(self.protocol),
            "data": dict(self.data),
            "measurements": [self._row(row) for row in self.measurements],
        }

    def _row(self, measurement: Measurement) -> dict[str, Any]:
        roofline = measurement.roofline(self.environment.machine.get("limits"))
        return {**measurement.to_dict(), "roofline": asdict(roofline) if roofline else None}

    @classmethod
    def from_dict(cls, values: Any) -> Results:
        """Read what `to_dict` wrote. A row that cannot be read is left out, see `left_out`.

        Raises InputError for another schema or another thing, for a damaged environment, and
        when no row is left; a FieldError names the path of the field.
        """
        if not isinstance(values, Mapping) or not {"schema_version", "measurements"} <= set(values):
            raise InputError("not an edgecnn results file: no schema_version and measurements")
        version = read_field(int, values["schema_version"], "schema_version")
        if not 0 <= version <= SCHEMA_VERSION:
            raise InputError(
                f"results schema {version} is "
                f"{'newer than' if version > 0 else 'none that'} this edgecnn reads "
                f"({SCHEMA_VERSION})",
                hint="update edgecnn",
            )
        rows = read_list(values["measurements"], "measurements")
        read, left_out = _rows(rows)
        if left_out and not read:
            raise InputError(
                f"none of {len(rows)} rows can be read: {left_out[0].reason}",
                hint="the file is damaged or was changed by hand; measure again",
            )
        return cls(
            measurements=read,
            environment=Environment.from_dict(values.get("environment", {})),
            protocol=read_field(Mapping[str, Any], values.get("protocol", {}), "protocol"),
            data=read_field(Mapping[str, Any], values.get("data", {}), "data"),
            command=read_field(str, values.get("command", ""), "command"),
            repeat=read_field(Repeat, values.get("repeat", {}), "repeat"),
            schema_version=version,
            left_out=left_out,
        )

    def save(self, path: Path) -> None:
        """Write the JSON file; a reader sees the old file or the new one."""
        document = self.to_dict()
        try:
            text = json.dumps(document, separators=(",", ":"), allow_nan=False)
        except ValueError:  # JSON has no NaN and no infinity: a sensor or a pass gave one
            document = read_field(Mapping[str, Any], document, "")
            text = json.dumps(document, separators=(",", ":"), allow_nan=False)
        write_text_atomically(path, text + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a results file. Raises InputError when it is missing, damaged or not ours."""
        text = read_text_file(path, limit=MAX_FILE_BYTES)
        if text[:1_000].lstrip().startswith("<"):
            raise InputError(
                f"{path}: a page, not a results file",
                hint=f"edgecnn report {path.with_suffix('.html').name} --out results.json gets the "
                "results out of a report",
            )
        try:
            return cls.from_dict(parse_json(text, str(path)))
        except FieldError as error:
            raise InputError(
                f"{path}: {error.message}",
                hint="the file is damaged or was changed by hand; measure again",
            ) from error
        except InputError as error:
            named = error.message if error.message.startswith(str(path)) else f"{path}: {error}"
            raise InputError(named, hint=error.hint) from error


def _rows(documents: Sequence[Any]) -> tuple[tuple[Measurement, ...], tuple[UnreadRow, ...]]:
    """The rows that can be read, and those that cannot or come twice."""
    rows: dict[tuple[str, ...], Measurement] = {}
    left_out = []
    for index, document in enumerate(documents):
        at = inside("measurements", index)
        try:
            row = Measurement.from_dict(document, at)
            if row.key in rows:
                raise FieldError(at, "the same configuration as a row before it")
        except FieldError as error:
            left_out.append(UnreadRow(_row_name(document, index), error.message))
        else:
            rows[row.key] = row
    return tuple(rows.values()), tuple(left_out)


def _row_name(document: Any, index: int) -> str:
    """The row's number and, where it has them, its file and runtime."""
    names = []
    if isinstance(document, Mapping):
        artifact = document.get("artifact")
        names = [artifact.get("name") if isinstance(artifact, Mapping) else None]
        names += [document.get("runtime")]
    label = " on ".join(repr(name[:80])[1:-1] for name in names if isinstance(name, str) and name)
    return f"row {index + 1}{f' ({label})' if label else ''}"


__getattr__ = old_names(__name__, {"LeftOut": "UnreadRow"})
