"""A comparison for the console, for a pull request and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.files import write_text_atomically
from edgecnn.reporting import formats
from edgecnn.reporting.compare import Change, Comparison, Outcome
from edgecnn.reporting.grid import Grid
from edgecnn.reporting.text import markdown_cell

if TYPE_CHECKING:
    from rich.console import RenderableType

TITLES: dict[Outcome, str] = {
    "worse": "Worse",
    "better": "Better",
    "undecided": "Cannot be told apart",
    "same": "The same within the threshold",
}
_WORDS: dict[Outcome, str] = {
    "worse": "slower",
    "better": "faster",
    "same": "the same",
    "undecided": "not told apart",
}
MOST = 60
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
    """The answer in one line."""
    parts = [", ".join(f"{len(comparison.having(key))} {word}" for key, word in _WORDS.items())]
    if comparison.less_accurate:
        parts.append(f"{len(comparison.less_accurate)} less accurate")
    if comparison.failures:
        parts.append(f"{len(comparison.failures)} no longer measured")
    if comparison.refused:
        parts.append(f"{len(comparison.refused)} refused")
    answer = "Regression" if comparison.regressed else "No regression"
    if not comparison.changes:
        answer = "Regression" if comparison.regressed else "Nothing to compare"
    total = formats.plural(len(comparison.changes), "configuration")
    return f"{answer}: {'; '.join(parts)} of {total} (threshold {comparison.threshold:.0%})."


def terminal(comparison: Comparison) -> RenderableType:
    """A rich renderable about 110 columns wide."""
    from rich.console import Group
    from rich.text import Text

    colours = {"worse": "red", "better": "green", "undecided": "yellow", "same": "dim"}
    style = "bold red" if comparison.regressed else "bold green"
    parts: list[RenderableType] = []
    for outcome, title in TITLES.items():
        changes = comparison.having(outcome)
        if not changes:
            continue
        lines = [("", [Text(value) for value in _values(change)]) for change in changes[:MOST]]
        heading = Text(f"{title} ({len(changes)})", style=colours[outcome])
        table = Grid(_HEADS, lines, 1, heading)
        parts += [table, Text("")]
    parts += [Text(line, style="dim") for line in _remarks(comparison)]
    parts.append(Text(verdict(comparison), style=style))
    return Group(*parts)


def markdown(comparison: Comparison) -> str:
    """GitHub-flavoured Markdown, the answer first."""
    lines = [f"**{markdown_cell(verdict(comparison), 400)}**"]
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
        regressed=comparison.regressed,
        heads=_HEADS,
        groups=groups,
        remarks=_remarks(comparison),
    )


def summary(comparison: Comparison) -> str:
    """The comparison as JSON."""
    changes = [
        {key: None if value == float("inf") else value for key, value in asdict(change).items()}
        for change in comparison.changes
    ]
    document = {
        "regressed": comparison.regressed,
        "verdict": verdict(comparison),
        **asdict(comparison),
        "changes": changes,
    }
    return json.dumps(document, indent=1) + "\n"


def _values(change: Change) -> Sequence[str]:
    accuracy = formats.DASH
    if change.accuracy_points is not None:
        accuracy = formats.points(change.accuracy_points)
        if change.accuracy_outcome == "worse":
            accuracy += " worse"
    memory = formats.DASH if change.memory_ratio is None else f"{change.memory_ratio:.2f}×"
    return (
        change.name + (" (noisy)" if change.noisy else ""),
        formats.number(change.before_ms),
        formats.number(change.after_ms),
        f"{change.ratio:.3f} [{change.low:.3f}, {change.high:.3f}]"
        if change.high < float("inf")
        else f"{change.ratio:.3f} [too few processes]",
        accuracy,
        memory,
    )


def _remarks(comparison: Comparison) -> list[str]:
    lines = [f"No longer measured: {name}: {why}" for name, why in comparison.failures]
    lines += [
        f"Less accurate: {change.name}: {formats.points(change.accuracy_points)} points"
        for change in comparison.less_accurate
    ]
    lines += [f"Refused: {name}: {why}" for name, why in comparison.refused]
    for word, names in (("before", comparison.only_before), ("after", comparison.only_after)):
        if names:
            shown = "; ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            lines.append(f"Only {word}: {shown}")
    lines += [f"Differs: {note}" for note in comparison.notes]
    return lines
