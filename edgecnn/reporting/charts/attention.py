"""An attention matrix as a chart: which words of the source each word of the answer came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.reporting.charts.catalog import LIGHT

_CELL = 26


def attention_spec(
    weights: npt.NDArray[Any], rows: Sequence[str], columns: Sequence[str]
) -> dict[str, Any]:
    """A Vega-Lite specification of weights (rows, columns): a row is what was written, a column
    what was read. Words may repeat, so that their places are the axes.
    """
    values = [
        {"row": row, "column": column, "weight": round(float(weights[row, column]), 4)}
        for row, column in np.ndindex(len(rows), len(columns))
    ]

    def axis(field: str, names: Sequence[str], title: str, **more: Any) -> dict[str, Any]:
        return {
            "field": field,
            "type": "ordinal",
            "title": title,
            "axis": {"labelExpr": f"{list(names)}[datum.value]", "grid": False, **more},
        }

    return {
        "title": "Attention, mean over the decoder's layers",
        "data": {"values": values},
        "width": {"step": _CELL},
        "height": {"step": _CELL},
        "mark": "rect",
        "encoding": {
            "x": axis("column", columns, "source", orient="top", labelAngle=-45),
            "y": axis("row", rows, "answer"),
            "color": {
                "field": "weight",
                "type": "quantitative",
                "title": "weight",
                "scale": {"domain": [0, 1], "range": ["white", LIGHT[0]], "interpolate": "rgb"},
            },
        },
    }
