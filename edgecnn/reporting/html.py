"""Results as one HTML page that needs no network, answers first and carries its raw data.

Everything foreign reaches the page on two ways only: through Jinja2's escaping, or in a JSON
block that is read by `JSON.parse` and set as text. A content security policy with the hashes
of the page's own scripts lets nothing else run and nothing be fetched, whatever a label holds.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import numbers
from edgecnn.analysis import answer, machines
from edgecnn.analysis.row import Row
from edgecnn.analysis.rows import collect, machine_labels
from edgecnn.escaping import json_for_script
from edgecnn.reporting import cells, extract
from edgecnn.reporting.assets import read
from edgecnn.reporting.charts import catalog as charts
from edgecnn.reporting.charts import compiled as compiled_charts
from edgecnn.reporting.charts import drawing_library as bundle
from edgecnn.reporting.columns import COLUMNS
from edgecnn.results import Results
from edgecnn.text import shortened
from edgecnn.version import __version__

if TYPE_CHECKING:
    import jinja2

SCRIPTS = ("data.js", "answer.js", "columns.js", "table.js", "charts.js", "page.js")
PLAIN_ROWS = 200
SAMPLES = 220_000
SAMPLES_A_ROW = 700
"""How many raw samples a page carries, times of stages included: they take 2 to 4 bytes each, and
200 rows stay below 2 MB."""
MOST_PAIRS = 100
MOST_TROUBLES = 60
_SHAPE_MARKS = dict(
    zip(
        ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke"),
        "●■▲◆✚▼▬",
        strict=True,
    )
)


@dataclass(frozen=True)
class Trouble:
    """Rows without a usable number that share a reason."""

    where: str
    state: str
    reason: str
    advice: str
    count: int


def render(
    results: Sequence[Results],
    limits: answer.Constraints | None = None,
    *,
    search: Mapping[str, Any] | None = None,
) -> str:
    """The page as text; `limits` are what the reader starts from, `search` is the section on how
    an optimization came to its answer (see `optimization.page`).

    About 1 MB for the drawing library, and 0.5 MB for the samples of 200 rows.
    """
    library = bundle.start()
    limits = limits or answer.Constraints()
    results, twins = machines.distinct(results)
    labels = machine_labels(results)
    count = sum(len(result.measurements) for result in results)
    background = ThreadPoolExecutor(1)  # sorting and compressing leave the GIL to the charts
    packed = background.submit(extract.pack, results, max(SAMPLES, SAMPLES_A_ROW * count))
    background.shutdown(wait=False)
    rows, notes = machines.mark_incomparable(results, collect(results), labels)
    notes = [*twins, *notes]
    names = charts.labels(rows)
    every_pair = machines.pairs(rows, len(results), [pair for _, pair, _ in names])
    drawn = compiled_charts.compiled(rows)
    domains = charts.domains(rows)
    script = "\n".join(('(() => {\n"use strict";', *map(_script, SCRIPTS), "})();"))
    bundled = library()
    raw = packed.result()
    return _template().render(
        policy=_policy(script, bundled),
        version=__version__,
        title=_title(rows),
        subtitle=_subtitle(results, labels, rows),
        css=read("page.css"),
        several=len(results) > 1,
        search=search,
        notes=notes,
        limits=limits,
        energy=any(row.energy is not None for row in rows),
        choices=answer.choose(rows, limits),
        troubles=_troubles(rows),
        count=len(rows),
        runtimes=domains.runtimes,
        recipes=_recipe_marks(domains.recipes),
        figures=drawn,
        plain_rows=cells.in_order(rows)[:PLAIN_ROWS],
        cells=cells,
        numbers=numbers,
        machine_labels=labels,
        compared=[
            index for index in range(len(results)) if any(pair.rows[index] for pair in every_pair)
        ],
        pairs=every_pair[:MOST_PAIRS],
        pairs_left=max(0, len(every_pair) - MOST_PAIRS),
        facts=_grouped(machines.facts(results)),
        raw_note=_raw_note(raw),
        data=json_for_script(encode(rows, names)),
        charts=json_for_script([{"name": one["name"], "spec": one["spec"]} for one in drawn]),
        look=json_for_script(charts.theme("page")),
        script=script,
        library=bundled,
        raw=raw,
    )


def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(read("page.html.j2"))


def encode(rows: Sequence[Row], names: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Rows as columns; texts as indices into one list, numbers with 6 digits, NaN as null."""
    strings: dict[str, int] = {}
    columns: dict[str, Any] = {}
    for name, read_column in COLUMNS.items():
        columns[name] = _column([read_column(row) for row in rows], strings)
    columns["configuration"] = _column([row.configuration for row in rows], strings)
    columns["work"] = _column([row.work for row in rows], strings)
    columns["measured"] = [row.measured for row in rows]
    columns["timed"] = [row.timed for row in rows]
    columns["alone"] = [row.alone for row in rows]
    columns["lack"] = _column([row.lack for row in rows], strings)
    for index, name in enumerate(("label", "pair_label", "short")):
        columns[name] = _column([entry[index] for entry in names], strings)
    return {"count": len(rows), "strings": list(strings), "columns": columns}


def _column(values: list[Any], strings: dict[str, int]) -> Any:
    if values and all(isinstance(value, str) for value in values):
        return {"s": [strings.setdefault(value, len(strings)) for value in values]}
    return [_compact(value) for value in values]


def _compact(value: Any, digits: int = 6) -> Any:
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return None
        return float(f"{value:.{digits}g}")
    if isinstance(value, tuple):
        return [_compact(item, 4) for item in value]
    return value


def _policy(*scripts: str) -> str:
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    ]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def _title(rows: Sequence[Row]) -> str:
    models = list(dict.fromkeys(shortened(row.model, 60) for row in rows if row.model))
    if not models:
        return "Benchmark"
    title = ", ".join(models[:3])
    return f"{title} and {len(models) - 3} more" if len(models) > 3 else title


def _subtitle(results: Sequence[Results], labels: Sequence[str], rows: Sequence[Row]) -> str:
    dates = sorted({result.environment.created_at[:10] for result in results} - {""})
    measured = sum(row.measured for row in rows)
    machine_names = ", ".join(labels[:3]) + (
        f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    )
    when = f", {' to '.join(dict.fromkeys((dates[0], dates[-1])))}" if dates else ""
    return f"{machine_names}{when}. {measured} of {numbers.plural(len(rows), 'row')} measured."


def _troubles(rows: Sequence[Row]) -> list[Trouble]:
    counts: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        if not row.measured:
            key = (row.configuration or "conversion", row.state, row.reason, row.advice)
            counts[key] = counts.get(key, 0) + 1
    return [Trouble(*key, count) for key, count in list(counts.items())[:MOST_TROUBLES]]


def _recipe_marks(recipes: Sequence[str]) -> list[dict[str, str]]:
    marks = list(_SHAPE_MARKS.values())
    return [{"name": name, "mark": marks[index % len(marks)]} for index, name in enumerate(recipes)]


def _raw_note(raw: extract.Packed) -> str:
    if raw.kept == raw.measured:
        return "All results with all their raw samples are embedded in this page;"
    return (
        f"The results are embedded in this page with {raw.kept:,} of {raw.measured:,} samples, "
        "each process at even ranks so that its percentiles stay; the others are in the "
        "results.json it was made from;"
    )


def _grouped(facts: Sequence[machines.Fact]) -> list[tuple[str, list[machines.Fact]]]:
    groups: dict[str, list[machines.Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.group, []).append(fact)
    return list(groups.items())


def _script(name: str) -> str:
    return re.sub(r"(?m)^\s*//.*\n", "", read(name))
