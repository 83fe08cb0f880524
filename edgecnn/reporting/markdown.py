"""Results as Markdown for a pull request: the answer, one table, what went wrong, where it ran."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn import numbers
from edgecnn.analysis import answer
from edgecnn.analysis.machines import distinct
from edgecnn.analysis.row import Row
from edgecnn.analysis.rows import collect
from edgecnn.escaping import markdown_cell
from edgecnn.reporting import cells
from edgecnn.results import Results

TABLE_ROWS = 12
MOST_ROWS = 60
_HEAD = (
    "| Artifact | Runtime | p50 ms [95% CI] | p90 / p99 ms | Speed-up | Accuracy (n) | Size "
    "| Peak RSS | Verdict |\n|:--|:--|--:|--:|--:|--:|--:|--:|:--|"
)


def render(results: Sequence[Results], limits: answer.Constraints | None = None) -> str:
    """GitHub-flavoured Markdown, the answer first, 12 rows in sight and at most 60 in all."""
    results, notes = distinct(results)
    rows = collect(results)
    choices = answer.choose(rows, limits)
    parts = ["## edgecnn benchmark", ""]
    parts += [f"- **{_answer(choice.sentence)}**" for choice in choices]
    if not choices:
        parts.append("**No configuration could be measured.**")
    measured = [row for row in cells.in_order(rows) if row.measured]
    chosen = cells.chosen_rows(choices)
    lines = [_line(row, row.id in chosen) for row in measured]
    if lines:
        parts += ["", _HEAD, *lines[:TABLE_ROWS]]
    if len(lines) > TABLE_ROWS:
        rest = f"{numbers.plural(len(lines) - TABLE_ROWS, 'slower row')}"
        slower_lines = lines[TABLE_ROWS:MOST_ROWS]
        parts += ["", f"<details><summary>{rest}</summary>", "", _HEAD, *slower_lines, ""]
        if len(lines) > MOST_ROWS:
            parts += [f"{len(lines) - MOST_ROWS:,} more are in the HTML report.", ""]
        parts.append("</details>")
    parts += [f"\n{markdown_cell(note.text, 400)}" for note in notes]
    for line in cells.fed(rows):
        parts += ["", markdown_cell(line, 400)]
    neighbor = cells.contention(rows)
    if neighbor:
        parts += ["", markdown_cell(neighbor, 400)]
    parts += _reasons([row for row in rows if row.state == "NOISY"], "with a noisy number")
    parts += _reasons([row for row in rows if not row.measured], "without a usable number")
    parts += ["", *(_provenance(result) for result in results)]
    return "\n".join(parts) + "\n"


def _answer(sentence: str) -> str:
    return markdown_cell(sentence, 1_000)


def _line(row: Row, chosen: bool) -> str:
    name = markdown_cell(cells.artifact(row), 60)
    values = [
        f"**{name}**" if chosen else name,
        markdown_cell(cells.where(row), 60),
        cells.latency(row),
        cells.tails(row),
        cells.speedup(row),
        markdown_cell(cells.accuracy(row), 60),
        numbers.size(row.size),
        numbers.size(row.peak_rss),
        markdown_cell(row.state),
    ]
    return f"| {' | '.join(values)} |"


def _reasons(rows: Sequence[Row], what: str) -> list[str]:
    if not rows:
        return []
    lines = [
        "",
        f"<details><summary>{numbers.plural(len(rows), 'row')} {what}</summary>",
        "",
        "| Artifact | Runtime | Why | What to do |",
        "|:--|:--|:--|:--|",
    ]
    lines += [
        f"| {markdown_cell(cells.artifact(row), 60)} | {markdown_cell(cells.where(row), 60)} "
        f"| {markdown_cell(row.state)}: {markdown_cell(row.reason, 240)} "
        f"| {markdown_cell(row.advice, 240)} |"
        for row in rows[:MOST_ROWS]
    ]
    return [*lines, "", "</details>"]


def _provenance(result: Results) -> str:
    environment = result.environment
    machine, system = environment.machine, environment.system
    facts = [
        machine.get("board") or machine.get("cpu_model"),
        system.get("os"),
        f"Python {system['python']}" if system.get("python") else None,
        f"protocol {result.protocol['name']}" if result.protocol.get("name") else None,
        f"data {result.data['name']}" if result.data.get("name") else None,
        environment.created_at,
        f"schema {result.schema_version}",
    ]
    return f"<sub>{' · '.join(markdown_cell(fact, 80) for fact in facts if fact)}</sub>"
