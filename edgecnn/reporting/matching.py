"""Which row before belongs to which row after, and what differs around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.reporting.text import clean
from edgecnn.results import Measurement, Results

_MACHINE = ("board", "cpu_model", "architecture", "logical_cores", "memory_bytes", "governor")
_OPTIONS = ("threads", "scenario", "streams", "affinity", "batch", "precision", "shape", "beam")
_SERVER_OPTIONS = ("target_qps", "latency_bound_ms")

Pairs = tuple[tuple[Measurement, Measurement], ...]


@dataclass(frozen=True)
class Matched:
    """Rows with the same options, rows that belong together but have others, and the rest."""

    pairs: Pairs
    apart: Pairs
    only_before: tuple[Measurement, ...]
    only_after: tuple[Measurement, ...]


def match(before: Results, after: Results) -> Matched:
    """Pair the rows of two results by file, runtime, device and everything that was asked."""
    olds, news = _by_key(before), _by_key(after)
    lost, gained, apart = _options_apart(
        [olds[key] for key in olds if key not in news],
        [news[key] for key in news if key not in olds],
    )
    pairs = tuple((olds[key], news[key]) for key in olds if key in news)
    return Matched(pairs, tuple(apart), tuple(lost), tuple(gained))


def name(row: Measurement) -> str:
    """As in `lenet5.float32.tflite on litert:cpu ×1`."""
    options = row.options
    text = f"{row.artifact.name} on {row.configuration} ×{options.threads}"
    if options.batch != 1:
        text += f" batch {options.batch}"
    if row.load.scenario != "single_stream":
        text += f" {row.load.scenario} {row.load.streams}"
    if options.beam:
        text += f" beam {options.beam}"
    if options.precision != "default":
        text += f" {options.precision}"
    return clean(text, 200)


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
        f"{what} {clean(name, 40)}: {clean(old.get(name), 80)} before, "
        f"{clean(new.get(name), 80)} after"
        for name in names or sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _by_key(results: Results) -> dict[tuple[Any, ...], Measurement]:
    return {
        (*_what(row), *_asked(row).values()): row for row in results.measurements if row.runtime
    }


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
    lost: list[Measurement], gained: list[Measurement]
) -> tuple[list[Measurement], list[Measurement], list[tuple[Measurement, Measurement]]]:
    """Pair rows of one model and runtime whose options differ, where it is plain which belong
    together: each is the other's only nearest, by the number of options that differ.
    """
    apart = []
    for old in lost:
        new = _nearest(old, gained)
        if new is not None and _nearest(new, lost) is old:
            apart.append((old, new))
    paired = {id(row) for pair in apart for row in pair}
    return (
        [row for row in lost if id(row) not in paired],
        [row for row in gained if id(row) not in paired],
        apart,
    )


def _nearest(row: Measurement, others: Sequence[Measurement]) -> Measurement | None:
    """The one of `others` that differs from `row` in the fewest options; None where two do."""
    same = [other for other in others if _what(other) == _what(row)]
    distances = [len(_differing(row, other)) for other in same]
    nearest = [other for other, far in zip(same, distances, strict=True) if far == min(distances)]
    return nearest[0] if len(nearest) == 1 else None
