"""Every output says what was fed, and from where that is known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgecnn.analysis.rows import collect, reproduce
from edgecnn.preprocessing import Fed
from edgecnn.reporting import cells, csv, html, markdown
from edgecnn.results import Measurement, Results
from tests.unit.reporting import factory

RAW = Fed(
    "model", "the model begins with Rescaling(1/255)", "0…255", 0.0, 255.0, (96, 96, 3), "NHWC"
)
SENTENCE = "fed 0…255, 96×96×3 NHWC: the model begins with Rescaling(1/255)"


@pytest.fixture
def told(results: Results) -> Results:
    rows = [replace(row, fed=RAW) for row in results.measurements]
    return replace(results, measurements=tuple(rows))


def test_a_row_keeps_what_was_fed_in_json(told: Results):
    row = told.measurements[0]
    document = json.loads(json.dumps(row.to_dict()))
    assert Measurement.from_dict(document).fed == RAW
    del document["fed"]
    assert Measurement.from_dict(document).fed is None


@pytest.mark.parametrize("write", [csv.render, html.render, markdown.render])
def test_every_page_says_it(told: Results, write):
    assert SENTENCE in write([told])


def test_files_that_are_fed_alike_share_a_line(told: Results):
    (line,) = cells.fed(collect([told]))
    assert SENTENCE in line
    assert "more" in line


def test_a_row_that_nobody_knows_how_to_feed_says_that_it_was_not(results: Results):
    unknown = Fed("unknown", "the preprocessing is unknown")
    row = replace(results.measurements[0], fed=unknown)
    (line,) = cells.fed(collect([replace(results, measurements=(row,))]))
    assert "not fed the data: the preprocessing is unknown" in line


def test_markup_in_the_evidence_is_text(results: Results):
    row = replace(results.measurements[0], fed=replace(RAW, because="<script>alert(1)</script>"))
    page = html.render([replace(results, measurements=(row,))])
    assert "<script>alert(1)" not in page


def test_the_command_that_measures_a_row_again_says_how_it_was_fed(results: Results):
    said = replace(results, data={**results.data, "preprocessing": "-1..1"})
    command = reproduce(factory.measurement(), said)
    assert command.count("--preprocessing") == 1
    assert "-1..1" in command
