"""Results for the console after a run: one compact table and the best of each device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecnn.reporting import answer, cells, formats
from edgecnn.reporting.rows import Row, collect
from edgecnn.results import Results

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS = {"VALID": "green", "NOISY": "yellow", "unjudged": ""}


def render(
    results: Sequence[Results], limits: answer.Limits | None = None, *, max_rows: int = 60
) -> RenderableType:
    """A rich renderable about 110 columns wide. Texts are never read as rich markup."""
    from rich.console import Group
    from rich.text import Text

    rows = collect(results)
    choices = answer.choose(rows, limits)
    parts: list[RenderableType] = [_table(rows, cells.marks(choices), max_rows)]
    if len(rows) > max_rows:
        parts.append(Text(f"… and {len(rows) - max_rows} more rows in the report", style="dim"))
    parts += _problems([row for row in rows if not row.measured])
    for choice in choices:
        parts.append(
            Text.assemble(("Best: ", "bold green" if choice.row else "bold red"), choice.sentence)
        )
    if not choices:
        parts.append(Text("Best: no configuration could be measured.", style="bold red"))
    return Group(*parts)


def _table(rows: Sequence[Row], chosen: set[int], max_rows: int) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    several = len({row.machine for row in rows}) > 1
    one_model = len({row.model for row in rows}) == 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    if several:
        table.add_column("Machine", max_width=14, no_wrap=True, overflow="ellipsis")
    table.add_column("Artifact", max_width=28, no_wrap=True, overflow="ellipsis")
    table.add_column("Runtime", max_width=24, no_wrap=True, overflow="ellipsis")
    for head in ("p50 ms", "", "p90", "p99", "Accuracy (n)", "Size", "Peak RSS"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    shown = cells.in_order(rows)[:max_rows]
    p50, p90, p99 = (
        formats.aligned([getattr(row, name) for row in shown]) for name in ("p50", "p90", "p99")
    )
    for index, row in enumerate(shown):
        values = [
            *([row.machine_label] if several else []),
            f"{row.format}:{row.recipe}" if one_model and row.recipe else cells.artifact(row),
            cells.where(row),
            p50[index],
            cells.relative(row),
            p90[index],
            p99[index],
            cells.accuracy(row),
            formats.size(row.size),
            formats.size(row.peak_rss),
            row.state,
        ]
        texts = [Text(value) for value in values]
        texts[-1].stylize(_COLOURS.get(row.state, "red"))
        style = "bold" if row.id in chosen else "" if row.measured else "dim"
        table.add_row(*texts, style=style)
    return table


def _problems(rows: Sequence[Row], most: int = 12) -> list[RenderableType]:
    """One line for each different reason, with the rows that share it counted."""
    from rich.text import Text

    reasons: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        reasons.setdefault((row.configuration or "conversion", row.reason), []).append(row)
    lines: list[RenderableType] = []
    for (where, reason), same in list(reasons.items())[:most]:
        first = same[0]
        text = f"{where} {first.state} ({formats.plural(len(same), 'row')}): {reason[:200]}"
        lines.append(Text(f"{text} → {first.advice[:200]}" if first.advice else text, style="dim"))
    if len(reasons) > most:
        lines.append(Text(f"… and {len(reasons) - most} more reasons in the report", style="dim"))
    return lines
