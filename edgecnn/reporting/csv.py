"""Results as CSV: one row a measurement, numbers in the units that the column names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from edgecnn.analysis.machines import distinct
from edgecnn.analysis.rows import collect
from edgecnn.escaping import csv_cell
from edgecnn.reporting import columns
from edgecnn.results import Results

_UNITS = {
    **dict.fromkeys(("p50", "p90", "p95", "p99", "mean", "std", "load", "first"), "_ms"),
    **dict.fromkeys(("minimum", "maximum"), "_ms"),
    **{
        f"{name}_{end}": "_ms"
        for name in ("p50", "p90", "p95", "p99", "load", "first")
        for end in ("low", "high")
    },
    **dict.fromkeys(("peak_rss", "peak_rss_low", "load_growth", "size", "moved"), "_bytes"),
    "paired_p50": "_ms",
    **dict.fromkeys(("throughput", "paired_throughput"), "_per_s"),
    **dict.fromkeys(("end_to_end", "encoder", "step"), "_ms"),
    "leak": "_bytes",
    **dict.fromkeys(("drop", "drop_low", "drop_high"), "_points"),
    **dict.fromkeys(("drop_floor", "drop_bound"), "_points"),
    **dict.fromkeys(("contended_p50", "contended_p99"), "_ms"),
    "energy": "_joules",
}
_SKIPPED = {"id", "machine", "quantiles", "sustained", "operators", "ties", "lineage"}
COLUMNS = {name: read for name, read in columns.COLUMNS.items() if name not in _SKIPPED}


def render(results: Sequence[Results]) -> str:
    """RFC 4180 text with a header line; no cell can become a spreadsheet formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column + _UNITS.get(column, "") for column in COLUMNS])
    for row in collect(distinct(results)[0]):
        writer.writerow([csv_cell(read(row)) for read in COLUMNS.values()])
    return out.getvalue()
