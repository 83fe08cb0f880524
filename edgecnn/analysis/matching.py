"""Match the rows of two results, and list what differs around them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.results import Load, Measurement, Results
from edgecnn.text import clean, fitted, printable

_MACHINE = ("board", "cpu_model", "architecture", "logical_cores", "memory_bytes", "governor")
_OPTIONS = ("threads", "scenario", "streams", "affinity", "batch", "precision", "shape", "beam")
_SERVER_OPTIONS = ("target_qps", "latency_bound_ms")

Pairs = tuple[tuple[Measurement, Measurement], ...]


@dataclass(frozen=True)
class Matched:
    """Rows with the same options, rows that belong together but have others, and the rest.

    `ambiguous` are rows before with the reason why their counterpart is not known: several
    files of one name, none of which is on both sides.
    """

    pairs: Pairs
    apart: Pairs
    ambiguous: tuple[tuple[Measurement, str], ...]
    only_before: tuple[Measurement, ...]
    only_after: tuple[Measurement, ...]


def match(before: Results, after: Results) -> Matched:
    """Pair the rows of two results by file, runtime, device and everything that was asked.

    A file is first known by its name and content, and what remains then by its name alone.
    """
    lost, gained = ([row for row in side.measurements if row.runtime] for side in (before, after))
    pairs: list[tuple[Measurement, Measurement]] = []
    ambiguous: list[tuple[Measurement, str]] = []
    for key in (_file_and_options, _name_and_options):
        found, unclear = _same(lost, gained, key)
        pairs += found
        ambiguous += unclear
        lost, gained = _without(found, lost, gained)
        unknown = {key(row) for row, _ in unclear}
        lost = [row for row in lost if key(row) not in unknown]
        gained = [row for row in gained if key(row) not in unknown]
    apart: list[tuple[Measurement, Measurement]] = []
    for what in (_file, _what):
        found = _options_apart(lost, gained, what)
        apart += found
        lost, gained = _without(found, lost, gained)
    places = {id(row): place for place, row in enumerate(before.measurements)}
    pairs.sort(key=lambda pair: places[id(pair[0])])
    return Matched(tuple(pairs), tuple(apart), tuple(ambiguous), tuple(lost), tuple(gained))


def names(before: Results, after: Results) -> Callable[[Measurement], str]:
    """`name`, with the start of the file's hash where a side has several files of that name."""
    several: set[str] = set()
    for side in (before, after):
        hashes: dict[str, set[str]] = {}
        for row in side.measurements:
            hashes.setdefault(row.artifact.name, set()).add(row.artifact.sha256)
        several |= {artifact for artifact, found in hashes.items() if len(found) > 1}

    def named(row: Measurement) -> str:
        if row.artifact.name not in several:
            return name(row)
        return f"{name(row)} (sha256 {fitted(row.artifact.sha256, 64)[:8]})"

    return named


def name(row: Measurement) -> str:
    """As in `lenet5.float32.tflite on litert:cpu ×1`."""
    options = row.options
    text = f"{row.artifact.name} on {row.configuration} ×{options.threads}"
    if options.batch != 1:
        text += f" batch {options.batch}"
    if options.shape:
        text += f" shape {printable(options.shape)}"
    if row.load.scenario != "single_stream":
        text += f" {row.load.scenario} {row.load.streams}"
    if row.load.scenario == "server" and row.load.target_qps:
        text += f" {row.load.target_qps:g} qps"
    if row.load.scenario == "server" and row.load.latency_bound_ms != Load.latency_bound_ms:
        text += f" bound {row.load.latency_bound_ms:g} ms"
    if options.beam:
        text += f" beam {options.beam}"
    if options.precision != "default":
        text += f" {options.precision}"
    return fitted(text, 200)


def difference(old: Measurement, new: Measurement) -> str:
    """As in "threads: 1 before, 2 after; affinity: none before, 0,1 after"."""
    before, after = old.asked, new.asked
    values = [(name.replace("_", " "), before[name], after[name]) for name in _differing(old, new)]
    return "; ".join(
        f"{name}: {_option(first)} before, {_option(second)} after"
        for name, first, second in values
    )


def differences_of_machine(before: Results, after: Results) -> list[str]:
    """What differs in machine, system and packages, in words."""
    old, new = before.environment, after.environment
    return [
        *_lines("machine", old.machine, new.machine, _MACHINE),
        *_lines("system", old.system, new.system),
        *_lines("package", old.packages, new.packages),
    ]


def differences_around(before: Results, after: Results) -> list[str]:
    """What differs around the numbers: machine, system, packages and protocol."""
    protocol = _lines(
        "protocol", before.protocol, after.protocol, ("name", "processes", "target_interval")
    )
    return [*differences_of_machine(before, after), *protocol]


def _lines(
    what: str, old: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[str] = ()
) -> list[str]:
    return [
        f"{what} {fitted(name, 40)}: {fitted(old.get(name), 80)} before, "
        f"{fitted(new.get(name), 80)} after"
        for name in names or sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


Key = Callable[[Measurement], Hashable]


def _same(
    before: Sequence[Measurement], after: Sequence[Measurement], key: Key
) -> tuple[list[tuple[Measurement, Measurement]], list[tuple[Measurement, str]]]:
    """Pairs of rows with the same `key`, and those before for which that is not plain."""
    olds, news = _grouped(before, key), _grouped(after, key)
    pairs: list[tuple[Measurement, Measurement]] = []
    unclear: list[tuple[Measurement, str]] = []
    for value, old in olds.items():
        new = news.get(value, [])
        if len(old) == len(new) == 1:
            pairs.append((old[0], new[0]))
        elif new:
            reason = (
                f"several rows have this name: {len(old)} before, {len(new)} after; which "
                "belong together is not known"
            )
            unclear += [(row, reason) for row in old]
    return pairs, unclear


def _grouped(rows: Sequence[Measurement], key: Key) -> dict[Hashable, list[Measurement]]:
    groups: dict[Hashable, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _without(
    pairs: Sequence[tuple[Measurement, Measurement]],
    before: Sequence[Measurement],
    after: Sequence[Measurement],
) -> tuple[list[Measurement], list[Measurement]]:
    """The rows of both sides that are in no pair."""
    paired = {id(row) for pair in pairs for row in pair}
    lost, gained = ([row for row in side if id(row) not in paired] for side in (before, after))
    return lost, gained


def _file_and_options(row: Measurement) -> Hashable:
    return (*_file(row), *_asked(row).values())


def _name_and_options(row: Measurement) -> Hashable:
    return (*_what(row), *_asked(row).values())


def _file(row: Measurement) -> tuple[str, str, str]:
    return *_what(row), row.artifact.sha256


def _what(row: Measurement) -> tuple[str, str]:
    return row.artifact.name, row.configuration


def _asked(row: Measurement) -> dict[str, Any]:
    """Every option that makes a number another number."""
    server, options = row.load.scenario == "server", row.asked
    names = (*_OPTIONS, *(_SERVER_OPTIONS if server else ()))
    return {name: options[name] for name in names}


def _differing(old: Measurement, new: Measurement) -> list[str]:
    before, after = _asked(old), _asked(new)
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def _option(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return clean(f"{value:g}" if isinstance(value, float) else value, 40)


def _options_apart(
    lost: Sequence[Measurement], gained: Sequence[Measurement], what: Key
) -> list[tuple[Measurement, Measurement]]:
    """Pairs of rows of one model and runtime (`what`) whose options differ, where it is plain
    which belong together: each is the other's only nearest, by the number of options that differ.
    """
    apart = []
    for old in lost:
        new = _nearest(old, gained, what)
        if new is not None and _nearest(new, lost, what) is old:
            apart.append((old, new))
    return apart


def _nearest(row: Measurement, others: Sequence[Measurement], what: Key) -> Measurement | None:
    """The one of `others` that differs from `row` in the fewest options; None where two do."""
    same = [other for other in others if what(other) == what(row)]
    distances = [len(_differing(row, other)) for other in same]
    nearest = [other for other, far in zip(same, distances, strict=True) if far == min(distances)]
    return nearest[0] if len(nearest) == 1 else None
