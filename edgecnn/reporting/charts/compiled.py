"""All charts compiled for the page, kept in the user's cache folder.

A compiled chart is a Vega specification over an empty data set: it depends on the runtimes,
recipes and machines that colors and shapes stand for, and on no number. Making them takes a
third of the time of a page (importing Altair, building, compiling in V8), so that those of the
last reports are kept.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from edgecnn.analysis.row import Row
from edgecnn.errors import InputError
from edgecnn.files import parse_json, read_text_file, write_text_atomically
from edgecnn.reporting.charts import catalog as charts
from edgecnn.reporting.charts import primitives as chart_primitives
from edgecnn.reporting.charts import specs
from edgecnn.reporting.charts.catalog import Chart
from edgecnn.system.places import cache_home
from edgecnn.version import __version__

MOST_KEPT = 20
MOST_BYTES = 16 << 20


def compiled(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The charts that these rows can fill, as Vega specifications over an empty `rows`."""
    domains = charts.domains(rows)
    able = [chart for chart in charts.CHARTS if chart.can_show(rows)]
    path = _path(domains, able)
    vega = _read(path, able)
    if vega is None:
        vega = {chart.name: _compile(chart, domains) for chart in able}
        _keep(path, vega)
    return [
        {
            "name": chart.name,
            "title": chart.title,
            "caption": chart.caption,
            "wide": chart.wide,
            "spec": vega[chart.name],
        }
        for chart in able
    ]


def _compile(chart: Chart, domains: chart_primitives.Domains) -> dict[str, Any]:
    import vl_convert

    spec = chart.build(domains).to_dict(validate=False)  # the tests validate; 0.3 s
    spec.setdefault("datasets", {})["rows"] = []
    spec["background"] = "transparent"
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["config"] = {"aria": False, "view": {"stroke": None}}
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(spec)
    vega.pop("$schema", None)
    return vega


def _path(domains: chart_primitives.Domains, able: Sequence[Chart]) -> Path:
    """Named after all that the specifications depend on, their own source included."""
    made_of = [
        asdict(domains),
        [chart.name for chart in able],
        [metadata.version(name) for name in ("altair", "vl-convert-python")],
        [_source(one) for one in (specs, chart_primitives, _compile)],
    ]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    return cache_home() / "charts" / f"{digest[:32]}.json"


def _source(one: Any) -> str:
    try:
        return inspect.getsource(one)
    except OSError:  # a package without its sources
        return __version__


def _read(path: Path, able: Sequence[Chart]) -> Mapping[str, Any] | None:
    """What is kept; None where nothing whole is."""
    try:
        kept = parse_json(read_text_file(path, limit=MOST_BYTES), str(path))
    except (InputError, OSError):
        return None
    whole = isinstance(kept, dict) and all(isinstance(kept.get(one.name), dict) for one in able)
    return kept if whole else None


def _keep(path: Path, vega: Mapping[str, Any]) -> None:
    """Write, and remove the oldest beyond MOST_KEPT; no cache folder, no cache."""
    with suppress(InputError, OSError):
        write_text_atomically(path, json.dumps(vega, separators=(",", ":")))
        kept = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
