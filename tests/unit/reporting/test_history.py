"""A history as lines, as a page and as a table."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from edgecnn.reporting import history
from edgecnn.store.history import METRICS, Point, Series
from tests.unit.reporting.hostile_results import HOSTILE_NAMES

DAY = 86_400.0


def series(count=30, at=20, factor=1.1, metric="p50", name="net on litert:cpu ×1", **versions):
    points = []
    for index in range(count):
        value = 30.0 * (factor if index >= at else 1) * (1 + 0.004 * ((index * 7) % 5 - 2))
        before_after = {"litert": "2.4" if index >= at else "2.3", **versions}
        points.append(
            Point(1.77e9 + index * DAY, value, value * 0.99, value * 1.01, "VALID", index,
                  versions=before_after)
        )  # fmt: skip
    return Series(name, "Board A", METRICS[metric], tuple(points)).with_changes()


def text_of(renderable, width=200):
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


def test_the_terminal_says_when_by_how_much_and_what_changed():
    text = text_of(history.terminal([series()]))
    assert "slower, 30.0 ms → 33.0 ms" in text
    assert "changed: litert 2.3 → 2.4" in text
    assert "2026-02-22: +10.0%" in text
    assert "30 measurements" in text


def test_more_throughput_is_no_change_for_the_worse():
    text = text_of(history.terminal([series(metric="throughput")]))
    assert "better" in text
    assert "worse" not in text


def test_a_change_without_a_known_version_says_so():
    one = series()
    points = tuple(replace(point, versions={}) for point in one.points)
    text = text_of(history.terminal([replace(one, points=points)]))
    assert "changed: no version that is known" in text


def test_too_few_measurements_are_called_so():
    assert "too few measurements" in text_of(history.terminal([series(count=4)]))


def test_bars_of_noise_are_flat():
    assert len(set(history.bars([30.0, 30.01, 29.99, 30.02]))) == 1
    assert len(history.bars([float(value) for value in range(1, 500)])) == 60


def test_the_table_has_a_line_for_each_measurement():
    lines = list(csv.DictReader(io.StringIO(history.table([series(), series(count=5)]))))
    assert len(lines) == 35
    changed = [line for line in lines if line["change"]]
    assert [line["changed_versions"] for line in changed] == ["litert 2.3 → 2.4"]
    assert lines[0]["measured_at"] == "2026-02-02T02:40:00+00:00"


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_the_page_draws_every_series_and_runs_nothing():
    page = history.page([series(), series(name="other on litert:cpu ×1")])
    parser = Elements()
    parser.feed(page)
    assert parser.tags.count("svg") == 2
    assert parser.tags.count("circle") == 60
    assert "script" not in parser.tags
    assert "default-src 'none'" in page


@pytest.mark.parametrize("text", HOSTILE_NAMES)
def test_hostile_names_stay_text_everywhere(text):
    one = replace(series(package=text), name=text, machine=text)
    one = replace(one, points=tuple(replace(point, label=text) for point in one.points))
    page = history.page([one])
    parser = Elements()
    parser.feed(page)
    assert not {"script", "img", "iframe"} & set(parser.tags)
    assert not parser.handlers
    page.encode()
    assert "\x1b" not in text_of(history.terminal([one]))
    for line in csv.reader(io.StringIO(history.table([one]))):
        assert not any(cell.startswith(("=", "@", "+")) for cell in line)


def test_numbers_of_any_size_are_drawn():
    for factor in (1e-12, 1.0, 1e15):
        one = series()
        points = tuple(replace(point, value=point.value * factor, low=None, high=None)
                       for point in one.points)  # fmt: skip
        assert "<svg" in history.page([replace(one, points=points).with_changes()])
    flat = tuple(replace(point, value=5.0) for point in series().points)
    assert "<svg" in history.page([replace(series(), points=flat, changes=())])
