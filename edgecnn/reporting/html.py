"""Results as one HTML page that needs no network and carries its raw data."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from edgecnn.reporting import answer, cells, extract, formats
from edgecnn.reporting.rows import collect
from edgecnn.results import Results


def render(results: Sequence[Results]) -> str:
    """The page as text."""
    import jinja2

    rows = collect(results)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_asset("page.html.j2"))
    return template.render(
        choices=answer.choose(rows),
        rows=cells.in_order(rows),
        cells=cells,
        formats=formats,
        raw=extract.pack(results),
    )


def _asset(name: str) -> str:
    return resources.files("edgecnn.reporting").joinpath("assets", name).read_text("utf-8")
