"""Results as a short JSON document: the answer and one flat object a row, without raw samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from edgecnn.analysis import answer
from edgecnn.analysis.machines import distinct
from edgecnn.analysis.rows import collect
from edgecnn.reporting.columns import flat
from edgecnn.results import SCHEMA_VERSION, Results


def summarize(
    results: Sequence[Results], limits: answer.Constraints | None = None
) -> dict[str, Any]:
    """Plain values, ready for JSON. Units as in `rows.Row`: ms, bytes, shares, joules."""
    limits = limits or answer.Constraints()
    rows = collect(distinct(results)[0])
    return {
        "schema_version": SCHEMA_VERSION,
        "limits": asdict(limits),
        "best": [
            {
                "machine": choice.machine_label,
                "device": choice.device,
                "scenario": choice.scenario,
                "model": choice.model,
                "row": choice.row.id if choice.row else None,
                "tied": choice.tied,
                "indistinguishable": [row.id for row in choice.ties],
                "sentence": choice.sentence,
            }
            for choice in answer.choose(rows, limits)
        ],
        "rows": [
            {
                key: value
                for key, value in flat(row).items()
                if key not in {"quantiles", "sustained", "operators"} and not _missing(value)
            }
            for row in rows
        ],
    }


def render(results: Sequence[Results], limits: answer.Constraints | None = None) -> str:
    """The summary as indented JSON."""
    return json.dumps(summarize(results, limits), indent=1, ensure_ascii=True) + "\n"


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not isfinite(value))
