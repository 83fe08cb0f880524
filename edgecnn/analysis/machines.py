"""Compare several results files: differences, and which rows are comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgecnn import numbers
from edgecnn.analysis.pairing import Difference, between
from edgecnn.analysis.row import Row
from edgecnn.results import SCHEMA_VERSION, Measurement, Results
from edgecnn.text import fitted

VALUE_LENGTH = 240
READABLE_SCHEMAS = frozenset(range(1, SCHEMA_VERSION + 1))
"""Schemas whose numbers can be compared with each other: 2 added rounds and blocks, without which
rows are compared by all samples."""


@dataclass(frozen=True)
class Fact:
    """One line of the environment table: a value for each results file."""

    group: str
    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the files disagree."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Note:
    """What a reader must know before comparing; `incomparable` when the comparison is refused."""

    text: str
    incomparable: bool


@dataclass(frozen=True)
class RowPair:
    """One configuration on the first machine and on others: rows by machine, None where absent."""

    label: str
    rows: tuple[Row | None, ...]

    def difference(self, machine: int) -> Difference | None:
        """The row of `machine` against that of the first; None where one of them is missing."""
        first, other = self.rows[0], self.rows[machine]
        if first is None or other is None:
            return None
        return between(first.times, other.times, one_session=False)


def distinct(results: Sequence[Results]) -> tuple[list[Results], list[Note]]:
    """The results without those whose every row is in another of them, and a note on each.

    The same file given twice, or an earlier copy of a file, is one machine and not two.
    """
    prints = [_fingerprint(result) for result in results]
    kept: list[int] = []
    notes = []
    for index, print_ in enumerate(prints):
        twin = next(
            (
                other
                for other, whole in enumerate(prints)
                if other != index and print_ <= whole and (print_ < whole or other < index)
            ),
            None,
        )
        if twin is None or not print_:
            kept.append(index)
        else:
            notes.append(
                Note(f"Results {index + 1} of {len(results)} are the same measurements as "
                     f"results {twin + 1}; they count once.", False)
            )  # fmt: skip
    return [results[index] for index in kept], notes


def _fingerprint(result: Results) -> frozenset[object]:
    """What no two measurements share: the row, when each of its processes ran and its times to the
    ns. Results that go on later have another date and more processes, and share these; where
    nothing was measured there is the date alone.
    """
    measured = any(row.runs for row in result.measurements)
    created_at = "" if measured else result.environment.created_at
    return frozenset(
        (created_at, row.key, row.artifact.recipe, process)
        for row in result.measurements
        for process in _processes(row) or (row.status,)
    )


def _processes(row: Measurement) -> tuple[object, ...]:
    return tuple((run.started_at, run.load_ns, run.first_inference_ns) for run in row.runs)


def facts(results: Sequence[Results]) -> list[Fact]:
    """Machine, system, packages, protocol and data of every file, line by line."""
    groups: tuple[tuple[str, list[Mapping[str, Any]]], ...] = (
        ("Machine", [result.environment.machine for result in results]),
        ("System", [result.environment.system for result in results]),
        ("Packages", [result.environment.packages for result in results]),
        ("Protocol", [result.protocol for result in results]),
        ("Data", [result.data for result in results]),
    )
    out = [
        Fact(
            "Run", "measured at", tuple(_text(result.environment.created_at) for result in results)
        ),
        Fact("Run", "command", tuple(_text(result.command) for result in results)),
        Fact("Run", "results schema", tuple(str(result.schema_version) for result in results)),
    ]
    for group, mappings in groups:
        names = dict.fromkeys(name for mapping in mappings for name in mapping)
        for name in names:
            values = tuple(_text(mapping.get(name), name) for mapping in mappings)
            if any(value != numbers.DASH for value in values):
                out.append(Fact(group, fitted(name).replace("_", " "), values))
    return out


def mark_incomparable(
    results: Sequence[Results], rows: Sequence[Row], labels: Sequence[str]
) -> tuple[list[Row], list[Note]]:
    """Mark the rows that must not be compared across files, and say why in notes.

    The first file is the reference. Incomparable are rows whose model file has a hash that the
    first results with that name do not have, and all rows of files with other data or another
    schema; rows whose thread counts have no counterpart are noted.
    """
    if len(results) < 2:
        return list(rows), []
    whole, notes = _whole_files(results, labels)
    first: dict[str, int] = {}
    hashes: dict[str, set[str]] = {}
    for row in rows:
        if row.provenance.sha256 and first.setdefault(row.artifact, row.machine) == row.machine:
            hashes.setdefault(row.artifact, set()).add(row.provenance.sha256)
    marked, strangers = [], set()
    for row in rows:
        reason = whole.get(row.machine, "")
        digest = row.provenance.sha256
        if digest and digest not in hashes[row.artifact]:
            reason = f"another file under the name {row.artifact}: other sha256"
            strangers.add(row.artifact)
        marked.append(replace(row, incomparable=reason) if reason else row)
    notes += [
        Note(f"{name}: the files of this name have different contents (sha256); their rows are "
             "not compared.", True)
        for name in sorted(strangers)
    ]  # fmt: skip
    return marked, [*notes, *_threads_apart(marked, labels)]


def _whole_files(
    results: Sequence[Results], labels: Sequence[str]
) -> tuple[dict[int, str], list[Note]]:
    """The files that cannot be compared with the first at all, by index, and notes on all."""
    first = results[0]
    whole: dict[int, str] = {}
    notes = []
    for index, other in enumerate(results[1:], 1):
        reasons = []
        if not {other.schema_version, first.schema_version} <= READABLE_SCHEMAS:
            reasons.append(f"results schema {other.schema_version} against {first.schema_version}")
        if _data_key(other) != _data_key(first):
            reasons.append(f"data {_data_name(other)} against {_data_name(first)}")
        if reasons:
            whole[index] = "; ".join(reasons)
            notes.append(
                Note(f"{labels[index]}: not compared with {labels[0]}: {whole[index]}.", True)
            )
        protocol, base_protocol = (
            fitted(one.protocol.get("name") or "unknown") for one in (other, first)
        )
        if protocol != base_protocol:
            notes.append(
                Note(f"{labels[index]} was measured with protocol {protocol}, "
                     f"{labels[0]} with {base_protocol}.", False)
            )  # fmt: skip
    return whole, notes


def pairs(rows: Sequence[Row], machines: int, labels: Sequence[str]) -> list[RowPair]:
    """Configurations measured on the first and on another machine, fastest first.

    Rows belong together by their file and by everything that was asked. `labels` are what they
    are shown as: `charts.catalog.labels`' second, one a row, the row's name without its machine.
    """
    groups: dict[tuple[object, ...], list[Row | None]] = {}
    names: dict[tuple[object, ...], str] = {}
    for row, label in zip(rows, labels, strict=True):
        if row.timed and not row.incomparable:
            key = _file_and_options(row)
            groups.setdefault(key, [None] * machines)[row.machine] = row
            names.setdefault(key, label)
    kept = [
        RowPair(names[key], tuple(group))
        for key, group in groups.items()
        if group[0] is not None and any(group[1:])
    ]
    return sorted(kept, key=lambda pair: (pair.rows[0].p50 or 0.0) if pair.rows[0] else 0.0)


def _file_and_options(row: Row) -> tuple[object, ...]:
    """The file and all that was asked of one row and can be asked of a row of another machine."""
    options = (row.threads, row.batch, row.precision_asked, row.shape, row.beam, row.affinity)
    load = (row.scenario, row.streams, row.target_qps, row.latency_bound_ms)
    return (row.artifact, row.provenance.sha256, row.configuration, *options, *load)


def _threads_apart(rows: Sequence[Row], labels: Sequence[str]) -> list[Note]:
    """Configurations that files share only with different thread counts."""
    threads: dict[tuple[str, str, str], dict[int, set[int]]] = {}
    for row in rows:
        if row.timed and not row.incomparable:
            file = (row.artifact, row.provenance.sha256, row.configuration)
            by_machine = threads.setdefault(file, {})
            by_machine.setdefault(row.machine, set()).add(row.threads)
    apart: dict[tuple[int, str, str], int] = {}
    for by_machine in threads.values():
        if 0 not in by_machine:
            continue
        for machine, counts in by_machine.items():
            if not counts & by_machine[0]:
                key = (machine, _listed(counts), _listed(by_machine[0]))
                apart[key] = apart.get(key, 0) + 1
    return [
        Note(f"{labels[machine]}: {numbers.plural(count, 'configuration')} measured with {here} "
             f"threads, {labels[0]} with {there}; not compared.", True)
        for (machine, here, there), count in apart.items()
    ]  # fmt: skip


def _listed(counts: set[int]) -> str:
    return ", ".join(str(count) for count in sorted(counts))


def _data_key(result: Results) -> object:
    return result.data.get("sha256") or result.data.get("name")


def _data_name(result: Results) -> str:
    sha = fitted(result.data.get("sha256", ""))[:8]
    return f"{fitted(result.data.get('name') or 'none')}{f' ({sha}…)' if sha else ''}"


def _text(value: Any, name: str = "") -> str:
    if value is None or value in ("", []):
        return numbers.DASH
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        value = ", ".join(_text(item) for item in value[:100])
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, int) and name.endswith("_bytes"):
        value = numbers.size(value)
    elif isinstance(value, float):
        value = f"{value:g}"
    return fitted(value, VALUE_LENGTH)
