"""Images of a training: how it learned, and which classes it takes for which. PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.reporting.charts.attention import attention_spec
from edgecnn.reporting.charts.catalog import LIGHT

_CURVES = (
    ("loss", "loss", "training"),
    ("val_loss", "loss", "validation"),
    ("accuracy", "accuracy", "training"),
    ("val_accuracy", "accuracy", "validation"),
)
_SIDE = 520
_NUMBERED = 20
"""Up to so many classes every cell of a confusion matrix shows its count."""


def learning_curve(history: Mapping[str, Sequence[float]], best_epoch: int) -> bytes:
    """Loss and accuracy of training and validation by epoch, from 1; a rule at the best one."""
    values = [
        {"epoch": epoch + 1, "metric": metric, "split": split, "value": value}
        for name, metric, split in _CURVES
        for epoch, value in enumerate(history.get(name, ()))
    ]

    def panel(metric: str) -> dict[str, Any]:
        curves = {
            "transform": [{"filter": f"datum.metric == '{metric}'"}],
            "mark": {"type": "line", "point": len(history.get("loss", ())) < 40},
            "encoding": {
                "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1}},
                "y": {
                    "field": "value",
                    "type": "quantitative",
                    "title": metric,
                    "scale": {"zero": False},
                },
                "color": {
                    "field": "split",
                    "type": "nominal",
                    "title": None,
                    "scale": {"range": list(LIGHT[:2])},
                },
            },
        }
        best = {
            "data": {"values": [{"epoch": best_epoch + 1}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": "#5b6470"},
            "encoding": {"x": {"field": "epoch", "type": "quantitative"}},
        }
        return {"width": 380, "height": 260, "layer": [curves, best]}

    title = f"Learning curve; dashed: the epoch that was kept ({best_epoch + 1})"
    return _png(
        {
            "title": title,
            "data": {"values": values},
            "hconcat": [panel("loss"), panel("accuracy")],
        }
    )


def confusion_chart(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> bytes:
    """Counts (classes, classes), row the label and column the answer, shaded by row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    values = [
        {"label": row, "answer": column, "count": int(counts[row, column]), "share": share}
        for (row, column), share in np.ndenumerate(shares)
    ]
    cell = max(12, _SIDE // len(labels))
    named = f"{list(labels)}[datum.value]"

    def axis(title: str) -> dict[str, Any]:
        return {
            "field": title,
            "type": "ordinal",
            "axis": {"labelExpr": named, "labelLimit": 120, "grid": False},
        }

    position = {"x": axis("answer"), "y": axis("label")}
    shade = {
        "field": "share",
        "type": "quantitative",
        "title": "share of the label",
        "scale": {"domain": [0, 1], "range": ["white", LIGHT[0]], "interpolate": "rgb"},
    }
    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {**position, "color": shade}}]
    if len(labels) <= _NUMBERED:
        ink = {"condition": {"test": "datum.share > 0.5", "value": "white"}, "value": "#222222"}
        text = {"field": "count", "type": "quantitative"}
        layers.append({"mark": "text", "encoding": {**position, "text": text, "color": ink}})
    return _png(
        {
            "title": "Confusion matrix of the test split",
            "data": {"values": values},
            "width": {"step": cell},
            "height": {"step": cell},
            "layer": layers,
        }
    )


def attention_chart(
    weights: npt.NDArray[Any], rows: Sequence[str], columns: Sequence[str]
) -> bytes:
    """Weights (rows, columns) of an answer's subwords over those of its source."""
    return _png(attention_spec(weights, rows, columns))


def _png(spec: dict[str, Any]) -> bytes:
    import vl_convert

    return bytes(
        vl_convert.vegalite_to_png({**spec, "background": "white", "padding": 12}, scale=2)
    )
