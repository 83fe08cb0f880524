"""Axes end where their numbers end."""

from __future__ import annotations

import re
from dataclasses import replace

from edgecnn.reporting.charts import rendering as chart_rendering
from tests.unit.reporting import factory


def test_no_accuracy_is_labeled_above_100_percent():
    results = factory.sample()
    rows = tuple(
        replace(row, accuracy=replace(row.accuracy, value=1.0 - 0.001 * number, ci95=(0.97, 1.0)))
        if row.accuracy
        else row
        for number, row in enumerate(results.measurements)
    )
    drawn = chart_rendering.render([replace(results, measurements=rows)], "accuracy_latency", "svg")
    labels = re.findall(r"<text[^>]*>([\d.,]+)</text>", drawn.decode())
    numbers = [float(label.replace(",", "")) for label in labels]
    assert 100 in numbers
    assert not any(100 < number < 120 for number in numbers)
