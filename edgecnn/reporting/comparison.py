"""A comparison for the console, for a pull request and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import numbers
from edgecnn.analysis.compare import ChangeOutcome, Comparison, RowChange
from edgecnn.errors import InputError
from edgecnn.escaping import markdown_cell
from edgecnn.files import write_text_atomically
from edgecnn.reporting.grid import Grid

if TYPE_CHECKING:
    from rich.console import RenderableType

TITLES: dict[ChangeOutcome, str] = {
    "worse": "Worse",
    "better": "Better",
    "undecided": "Undecided",
    "same": "The same within the threshold",
}
_WORDS: dict[ChangeOutcome, str] = {
    "worse": "slower",
    "better": "faster",
    "same": "the same",
    "undecided": "undecided",
}
MOST = 60
MOST_NAMED = 3
WIDEST = 0.10
"""Half-width of an interval from which on a repeat shows nothing."""
_STYLES = {
    "Regression": "bold red",
    "No regression": "bold green",
    "No regression found": "bold yellow",
    "Not decided": "bold yellow",
    "Nothing to compare": "bold yellow",
}
_HEADS = ("Configuration", "Before ms", "After ms", "Ratio [95%]", "Accuracy", "Memory")


def write(comparison: Comparison, path: Path) -> None:
    """Write a comparison as its ending names: .md, .html or .json (InputError for another)."""
    renderers = {".md": markdown, ".html": html, ".json": summary}
    render = renderers.get(path.suffix.lower())
    if render is None:
        raise InputError(
            f"cannot write a comparison as {path.suffix or 'a file without an ending'}",
            hint=f"known endings: {', '.join(renderers)}",
        )
    write_text_atomically(path, render(comparison))


def verdict(comparison: Comparison) -> str:
    """The answer in one line, with what it does not cover counted."""
    changes = comparison.changes
    total = numbers.plural(len(changes), "configuration")
    parts = [
        ", ".join(f"{len(comparison.having(key))} {word}" for key, word in _WORDS.items())
        + f" of {total} (threshold {100 * comparison.threshold:g}%)"
    ]
    if comparison.less_accurate:
        parts.append(f"{len(comparison.less_accurate)} less accurate")
    if comparison.failures:
        parts.append(f"{len(comparison.failures)} no longer measured")
    counts = _not_compared(comparison)
    if counts:
        parts.append(f"not compared: {', '.join(counts)}")
    return f"{headline(comparison)}: {'; '.join(parts)}."


def headline(comparison: Comparison) -> str:
    """Regression, No regression (found, where an interval does not exclude one), Not decided, or
    Nothing to compare.
    """
    if comparison.regressed:
        return "Regression"
    if not comparison.changes:
        return "Nothing to compare"
    if not comparison.complete:
        return "Not decided"
    most = max(change.ratio.high or 0.0 for change in comparison.changes)
    return "No regression" if most <= 1 + comparison.threshold else "No regression found"


def _not_compared(comparison: Comparison) -> list[str]:
    alone = comparison.without_interval
    groups = (
        ([each for each in alone if each.too_few], "with too few processes"),
        ([each for each in alone if not each.too_few], "disturbed all the time"),
        (comparison.refused, "refused"),
        (comparison.left_out, "unusable on one side"),
        (comparison.unusable, "unusable on both"),
        (comparison.only_before, "only before"),
        (comparison.only_after, "only after"),
    )
    return [f"{len(rows)} {words}" for rows, words in groups if rows]


def reproduced(comparison: Comparison) -> str:
    """Whether a repeat gave the same numbers, in a line; empty where nothing was repeated.

    Only results of the same machine and software repeat each other.
    """
    changes = comparison.changes
    if not comparison.repeat or not changes:
        return ""
    apart = [*comparison.having("worse"), *comparison.having("better")]
    wrong = [
        change
        for change in changes
        if change.accuracy_outcome in ("worse", "better") and change not in apart
    ]
    if apart or wrong:
        examples = [_apart(change) for change in apart[:MOST_NAMED]]
        examples += [
            f"{change.name}: accuracy {numbers.points(change.accuracy_points)} points"
            for change in wrong[:MOST_NAMED]
        ]
        more = len(apart) + len(wrong) - len(examples)
        rest = f"; {more} more" if more > 0 else ""
        return (
            f"Not reproduced ({len(apart) + len(wrong)} of {len(changes)}): "
            f"{'; '.join(examples)}{rest}."
        )
    vague = [change for change in changes if _too_wide(change)]
    if vague:
        first = vague[0]
        why = first.lack or f"{_difference(first)} {_interval_percent(first)} is too wide to decide"
        return (
            f"Undecided whether it is reproduced ({len(vague)} of {len(changes)}): {first.name}: "
            f"{why}; measure with more processes (--processes 10)."
        )
    furthest = max(changes, key=lambda change: change.factor)
    where = "" if len(changes) == 1 else f"all {len(changes)} configurations, "
    at_most = "" if len(changes) == 1 else "at most "
    return (
        f"Reproduced: {where}{at_most}{_difference(furthest)} {_interval_percent(furthest)} apart, "
        "no more than chance."
    )


def _apart(change: RowChange) -> str:
    word = "slower" if change.outcome == "worse" else "faster"
    share = _difference(change).lstrip("+−")
    times = f"{numbers.number(change.before_ms)} → {numbers.number(change.after_ms)} ms"
    return f"{change.name} is {share} {word} {_interval_percent(change)}, {times}"


def _too_wide(change: RowChange) -> bool:
    """Whether the interval would hide a difference that a reader would call one."""
    if change.ratio.bounds is None:
        return True
    low, high = change.ratio.bounds
    return high / low > (1 + WIDEST) ** 2


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}%".replace("-", "−")


def _difference(change: RowChange) -> str:
    return numbers.DASH if change.ratio.estimate is None else _percent(change.ratio.estimate)


def _interval_percent(change: RowChange) -> str:
    if change.ratio.bounds is None:
        return ""
    return f"[{', '.join(map(_percent, change.ratio.bounds))}]"


def terminal(comparison: Comparison) -> RenderableType:
    """A rich renderable about 110 columns wide."""
    from rich.console import Group
    from rich.text import Text

    colors = {"worse": "red", "better": "green", "undecided": "yellow", "same": "dim"}
    style = _STYLES[headline(comparison)]
    parts: list[RenderableType] = []
    for outcome, title in TITLES.items():
        changes = comparison.having(outcome)
        if not changes:
            continue
        lines = [("", [Text(value) for value in _values(change)]) for change in changes[:MOST]]
        heading = Text(f"{title} ({len(changes)})", style=colors[outcome])
        table = Grid(_HEADS, lines, 1, heading)
        parts += [table, Text("")]
    parts += [Text(line, style="dim") for line in _remarks(comparison)]
    parts.append(Text(verdict(comparison), style=style))
    repetition = reproduced(comparison)
    if repetition:
        parts.append(Text(repetition, style="bold"))
    return Group(*parts)


def markdown(comparison: Comparison) -> str:
    """GitHub-flavoured Markdown, the answer first."""
    lines = [f"**{markdown_cell(verdict(comparison), 400)}**"]
    repetition = reproduced(comparison)
    if repetition:
        lines += ["", markdown_cell(repetition, 800)]
    for outcome, title in TITLES.items():
        changes = comparison.having(outcome)
        if not changes:
            continue
        table = [
            f"| {' | '.join(_HEADS)} |",
            "|:--|--:|--:|--:|--:|--:|",
            *(
                f"| {' | '.join(markdown_cell(value, 200) for value in _values(change))} |"
                for change in changes[:MOST]
            ),
        ]
        if outcome in ("worse", "better"):
            lines += ["", f"### {title}", "", *table]
        else:
            summary = f"<details><summary>{title} ({len(changes)})</summary>"
            lines += ["", summary, "", *table, "", "</details>"]
    remarks = _remarks(comparison)
    if remarks:
        lines += ["", *(f"- {markdown_cell(remark, 600)}" for remark in remarks)]
    return "\n".join(lines) + "\n"


def html(comparison: Comparison) -> str:
    """A page of its own: no scripts, no network, the report's looks."""
    import jinja2

    from edgecnn.reporting.assets import read

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    groups = [
        (title, [_values(change) for change in comparison.having(outcome)])
        for outcome, title in TITLES.items()
        if comparison.having(outcome)
    ]
    return environment.from_string(read("comparison.html.j2")).render(
        css=read("page.css"),
        verdict=verdict(comparison),
        headline=headline(comparison),
        reproduced=reproduced(comparison),
        heads=_HEADS,
        groups=groups,
        remarks=_remarks(comparison),
    )


def summary(comparison: Comparison) -> str:
    """The comparison as JSON."""
    document = {
        "regressed": comparison.regressed,
        "complete": comparison.complete,
        "verdict": verdict(comparison),
        "reproduced": reproduced(comparison) or None,
        **asdict(comparison),
        "changes": [_flat(change) for change in comparison.changes],
    }
    return json.dumps(document, indent=1) + "\n"


def _flat(change: RowChange) -> dict[str, Any]:
    ratio = change.ratio
    return asdict(change) | {"ratio": ratio.estimate, "low": ratio.low, "high": ratio.high}


def _values(change: RowChange) -> Sequence[str]:
    accuracy = numbers.DASH
    if change.accuracy_points is not None:
        accuracy = numbers.points(change.accuracy_points)
        if change.accuracy_outcome == "worse":
            accuracy += " worse"
    ends = change.ratio.bounds
    lack = "too few processes" if change.too_few else "disturbed"
    bounds = lack if ends is None else f"{ends[0]:.3f}, {ends[1]:.3f}"
    memory = numbers.DASH if change.memory_ratio is None else f"{change.memory_ratio:.2f}×"
    return (
        change.name + (" (noisy)" if change.noisy else ""),
        numbers.number(change.before_ms),
        numbers.number(change.after_ms),
        f"{change.ratio.estimate:.3f} [{bounds}]",
        accuracy,
        memory,
    )


def _remarks(comparison: Comparison) -> list[str]:
    lines = [f"No longer measured: {name}: {why}" for name, why in comparison.failures]
    lines += [
        f"Less accurate: {change.name}: {numbers.points(change.accuracy_points)} points"
        for change in comparison.less_accurate
    ]
    lines += [f"Refused: {name}: {why}" for name, why in comparison.refused]
    lines += [f"Not compared: {name}: {why}" for name, why in comparison.left_out]
    lines += _without_interval(comparison.without_interval)
    if comparison.unusable:
        unusable = _listed([name for name, _ in comparison.unusable])
        lines.append(f"Unusable before and after: {unusable}")
    for word, names in (("before", comparison.only_before), ("after", comparison.only_after)):
        if names:
            lines.append(f"Only {word}: {_listed(names)}")
    lines += [f"Differs: {note}" for note in comparison.notes]
    return lines


def _without_interval(changes: Sequence[RowChange]) -> list[str]:
    """Why nothing can be said of these, a line for each reason, with what would help."""
    lines = []
    for lack in dict.fromkeys(change.lack for change in changes):
        same = [change for change in changes if change.lack == lack]
        names = _listed([change.name for change in same])
        if same[0].too_few:
            lines.append(
                f"Undecided for want of processes: {names}: {lack}; measure with --processes 5"
            )
        else:
            lines.append(f"Undecided: {names}: {lack}; measure on a quieter machine")
    return lines


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
