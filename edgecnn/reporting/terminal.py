"""Results for the console after a run: one compact table and the best of each device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecnn import numbers
from edgecnn.analysis import answer
from edgecnn.analysis.machines import distinct
from edgecnn.analysis.row import Row
from edgecnn.analysis.rows import collect
from edgecnn.reporting import cells
from edgecnn.reporting.columns import COLUMNS
from edgecnn.reporting.grid import Grid
from edgecnn.results import Results
from edgecnn.text import shortened

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_ANSWERS = 12
REASON_LENGTH = 500
_COLORS = {"VALID": "green", "NOISY": "yellow", "unjudged": ""}


def render(
    results: Sequence[Results], limits: answer.Constraints | None = None, *, max_rows: int = 60
) -> RenderableType:
    """A rich renderable for 100 columns and more. Texts are never read as rich markup."""
    from rich.console import Group
    from rich.text import Text

    results, notes = distinct(results)
    rows = collect(results)
    choices = answer.choose(rows, limits)
    parts: list[RenderableType] = [Text(note.text, style="dim") for note in notes]
    parts.append(_table(rows, cells.chosen_rows(choices), max_rows))
    if len(rows) > max_rows:
        parts.append(Text(f"… and {len(rows) - max_rows} more rows in the report", style="dim"))
    parts += [Text(line, style="dim") for line in cells.fed(rows)]
    neighbor = cells.contention(rows)
    if neighbor:
        parts.append(Text(neighbor, style="dim"))
    parts += _problems([row for row in rows if not row.measured or row.state == "NOISY"])
    if len(choices) > MOST_ANSWERS:
        parts.append(Text(f"{len(choices):,} answers, the first {MOST_ANSWERS}:", style="dim"))
    for choice in choices[:MOST_ANSWERS]:
        parts.append(
            Text.assemble(("Best: ", "bold green" if choice.row else "bold red"), choice.sentence)
        )
    if not choices:
        parts.append(Text("Best: no configuration could be measured.", style="bold red"))
    return Group(*parts)


def _table(rows: Sequence[Row], chosen: set[int], max_rows: int) -> RenderableType:
    from rich.text import Text

    visible = cells.in_order(rows)[:max_rows]
    several = len({row.machine for row in rows}) > 1
    one_model = len({row.model for row in rows}) == 1
    names: list[tuple[str, list[str]]] = [
        *([("Machine", [row.machine_label for row in visible])] if several else []),
        (
            "Artifact",
            [
                f"{row.format}:{row.recipe}" if one_model and row.recipe else cells.artifact(row)
                for row in visible
            ],
        ),
        ("Runtime", [cells.where(row) for row in visible]),
    ]
    tails = [
        (name, numbers.aligned(values))
        for name, values in (
            (name, [COLUMNS[name](row) for row in visible]) for name in ("p90", "p99")
        )
        if any(value is not None for value in values)
    ]
    columns = [
        *names,
        ("p50 ms", numbers.aligned([row.p50 for row in visible])),
        ("", [cells.relative(row) for row in visible]),
        *tails,
        ("Accuracy (n)", [cells.accuracy(row) for row in visible]),
        ("Size", [numbers.size(row.size) for row in visible]),
        ("Peak RSS", [numbers.size(row.peak_rss) for row in visible]),
        ("Verdict", [row.state for row in visible]),
    ]
    lines = []
    for index, row in enumerate(visible):
        texts = [Text(values[index]) for _, values in columns]
        texts[-1].stylize(_COLORS.get(row.state, "red"))
        style = "bold" if row.id in chosen else "" if row.measured else "dim"
        lines.append((style, texts))
    return Grid([head for head, _ in columns], lines, len(names))


def _problems(rows: Sequence[Row], most: int = 12) -> list[RenderableType]:
    """One line for each different reason, with the rows that share it counted."""
    from rich.text import Text

    reasons: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.measured):  # what is missing first
        reasons.setdefault((row.configuration or "conversion", row.reason), []).append(row)
    lines: list[RenderableType] = []
    for (where, reason), same in list(reasons.items())[:most]:
        first = same[0]
        why = shortened(reason, REASON_LENGTH)
        if len(same) == 1:
            text = f"{cells.artifact(first)} on {where} {first.state}: {why}"
        else:
            text = f"{where} {first.state} ({numbers.plural(len(same), 'row')}): {why}"
        # each reason of a noisy row says what to do about it
        advice = "" if first.measured else shortened(first.advice, REASON_LENGTH)
        lines.append(Text(f"{text} → {advice}" if advice else text, style="dim"))
    if len(reasons) > most:
        lines.append(Text(f"… and {len(reasons) - most} more reasons in the report", style="dim"))
    return lines
