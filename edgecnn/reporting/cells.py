"""The few columns that fit a console or a pull request, as strings; shared by both."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn import numbers
from edgecnn.analysis.answer import WORTH_SAYING, BestRow
from edgecnn.analysis.row import Row


def artifact(row: Row) -> str:
    """The file, or the model where there is no file."""
    return row.artifact or row.model


def where(row: Row) -> str:
    """`litert:cpu ×2`, with batch and strict precision only where they are not the usual."""
    threads = f" ×{row.threads}" if row.threads != 1 else ""
    cores = f" @{row.affinity}" if row.affinity else ""
    return f"{row.configuration or '(conversion)'}{threads}{row.unusual}{cores}"


def latency(row: Row) -> str:
    """`8.52 [8.471, 8.603]`, or `8.52 (no interval: one process)`."""
    if row.p50 is None:
        return numbers.DASH
    interval = numbers.interval(row.speed.p50) or f"({row.lack})"
    return f"{numbers.number(row.p50)} {interval}"


def relative(row: Row) -> str:
    """`±0.5%`: half the interval's width as a share of the median; or how few processes."""
    half_width = row.speed.p50.relative_half_width
    if half_width is None:
        return numbers.plural(len(row.times.quiet), "proc.").replace(".s", ".") if row.p50 else ""
    return f"±{100 * half_width:.1f}%"


def accuracy(row: Row) -> str:
    """`98.9% (360)`; a metric that is not a share is named: `AP50-95 75.0% (524)`."""
    if row.accuracy is None:
        return numbers.DASH
    metric = row.correctness.metric
    name = "" if metric.startswith("top") else f"{metric} "
    return f"{name}{numbers.percent(row.accuracy)} ({row.correctness.accuracy_n:,})"


def speedup(row: Row) -> str:
    """`12.3×`."""
    times = row.speed.speedup.estimate
    return numbers.DASH if times is None else f"{numbers.number(times)}×"


def tails(row: Row) -> str:
    """`p90 / p99`, a dash where the samples do not allow it."""
    return f"{numbers.number(row.speed.p90.estimate)} / {numbers.number(row.speed.p99.estimate)}"


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Usable rows by machine and latency, then those with a problem."""
    return sorted(
        rows,
        key=lambda row: (
            row.machine,
            not row.measured,
            not row.timed,
            (row.p50 or 0.0) if row.measured else 0.0,
            row.id,
        ),
    )


def chosen_rows(choices: Sequence[BestRow]) -> set[int]:
    """The ids of the chosen rows."""
    return {choice.row.id for choice in choices if choice.row is not None}


def contention(rows: Sequence[Row]) -> str:
    """How often a neighbor disturbed the rows, in a sentence; empty where none did."""
    shares_found = (row.contention.contended for row in rows if row.measured)
    measured_shares = [share for share in shares_found if share is not None]
    always = sum(share >= 1 for share in measured_shares)
    shares = sorted(share for share in measured_shares if WORTH_SAYING <= share < 1)
    unknown = (
        f"In {numbers.plural(always, 'row')} a neighbor shared the core all the time: latencies "
        "are those of the disturbed machine."
        if always
        else ""
    )
    if not shares:
        return unknown
    low, high = (f"{100 * share:.0f}%" for share in (shares[0], shares[-1]))
    often = high if low == high else f"{low} to {high}"
    return (
        f"A neighbor shared the core in {often} of the time in "
        f"{numbers.plural(len(shares), 'row')}: latencies are those of the undisturbed machine."
        f"{f' {unknown}' if unknown else ''}"
    )


def fed(rows: Sequence[Row], most: int = 6) -> list[str]:
    """What was fed to the files, and from where that is known: a sentence for each way."""
    files: dict[str, list[str]] = {}
    for row in rows:
        if row.provenance.fed:
            named = files.setdefault(row.provenance.fed, [])
            if row.artifact not in named:
                named.append(row.artifact)
    lines = [
        f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: "
        f"{sentence}"
        for sentence, names in files.items()
    ]
    more = len(lines) - most
    return [*lines[:most], *([f"… and {more} more ways in the report"] if more > 0 else [])]
