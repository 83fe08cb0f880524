"""Results → HTML, Markdown, CSV, console, charts: pure functions over `edgecnn.results.Results`.

    edgecnn.reporting.write([results], Path("report.html"))
    edgecnn.reporting.markdown.render([results])

Every renderer takes a sequence of results; several stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.deprecation import old_arguments, old_names
from edgecnn.errors import InputError
from edgecnn.files import atomic_path, write_text_atomically
from edgecnn.results import Results

SUFFIXES = (".html", ".md", ".csv", ".json", ".png", ".svg", ".pdf")
CHART = "accuracy_latency"
"""The chart of a `.png`, `.svg` or `.pdf` file where none is named."""


@old_arguments(picture="chart")
def write(
    results: Sequence[Results],
    path: Path,
    *,
    chart: str = CHART,
    raw: bool = False,
) -> list[Path]:
    """Write results to `path` in the format that its ending names; return what was written.

    `.json` is the summary, or with `raw` the results themselves: one file for each of them,
    `name.json`, `name-2.json` … `.png`, `.svg` and `.pdf` hold one `chart`
    (`reporting.charts.catalog.names()` lists them). Raises InputError for an unknown ending or
    chart, for no results, and when the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"cannot write a report as {path.suffix or 'a file without an ending'}",
            hint=f"known endings: {', '.join(SUFFIXES)}",
        )
    if not results:
        raise InputError("no results to report", hint="pass at least one results.json")
    if suffix == ".json" and raw:
        return _write_raw(results, path)
    if suffix in {".png", ".svg", ".pdf"}:
        from edgecnn.reporting.charts import rendering as chart_rendering

        data = chart_rendering.render(results, chart, suffix[1:])
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    else:
        write_text_atomically(path, _text(results, suffix))
    return [path]


def _text(results: Sequence[Results], suffix: str) -> str:
    if suffix == ".html":
        from edgecnn.reporting import html

        return html.render(results)
    if suffix == ".md":
        from edgecnn.reporting import markdown

        return markdown.render(results)
    if suffix == ".csv":
        from edgecnn.reporting import csv

        return csv.render(results)
    from edgecnn.reporting import summary

    return summary.render(results)


def _write_raw(results: Sequence[Results], path: Path) -> list[Path]:
    paths = [
        path if index == 0 else path.with_name(f"{path.stem}-{index + 1}{path.suffix}")
        for index in range(len(results))
    ]
    for target, result in zip(paths, results, strict=True):
        result.save(target)
    return paths


__getattr__ = old_names(__name__, {"PICTURE": "CHART"})
