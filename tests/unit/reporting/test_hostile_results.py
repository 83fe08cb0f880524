"""Results files are anybody's: no change to one makes a report or a comparison fail badly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.analysis import compare
from edgecnn.benchmarking.protocol import resolve
from edgecnn.benchmarking.verdict import judge
from edgecnn.errors import EdgeCNNError
from edgecnn.reporting import comparison, csv, extract, html, markdown, summary, terminal
from edgecnn.results import Results
from tests.unit.hostile import changed_json, damaged, limited_memory
from tests.unit.reporting import factory
from tests.unit.test_results import OLD

SMALL = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(OLD.glob("*.json"))]
MADE = json.loads(json.dumps(factory.sample().to_dict()))
DOCUMENTS = [*SMALL, {**MADE, "measurements": MADE["measurements"][:3]}]
MEMORY = 256 << 20
slowly = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path) -> Results | None:
    try:
        return Results.load(path)
    except EdgeCNNError as error:
        assert "\n" not in error.message  # noqa: PT017 (most documents are read)
        return None


@slowly
@given(data=st.data())
def test_no_change_to_a_results_file_is_a_traceback(tmp_path: Path, data: st.DataObject):
    document = data.draw(changed_json(data.draw(st.sampled_from(DOCUMENTS))))
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with limited_memory(MEMORY):
        results = read(path)
        if results is None:
            return
        for render in (csv.render, markdown.render, summary.render, terminal.render):
            assert render([results]) is not None
        judged = [judge(row, resolve("quick"), None) for row in results.measurements]
        assert len(judged) == len(results.measurements)
        before = Results.from_dict(data.draw(st.sampled_from(DOCUMENTS)))
        for pair in ((before, results), (results, before)):
            found = compare.compare(*pair, 0.03, allow_differences=True)
            assert comparison.terminal(found) is not None
        results.save(path)
        assert Results.load(path).measurements == results.measurements


@settings(slowly, max_examples=10)
@given(data=st.data())
def test_no_change_to_a_results_file_breaks_the_page(tmp_path: Path, data: st.DataObject):
    document = data.draw(changed_json(data.draw(st.sampled_from(DOCUMENTS))))
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    results = read(path)
    if results is not None:
        assert "<html" in html.render([results])


@slowly
@given(data=st.data())
def test_no_damage_to_the_bytes_of_a_results_file_is_a_traceback(
    tmp_path: Path, data: st.DataObject
):
    content = json.dumps(data.draw(st.sampled_from(SMALL))).encode()
    path = tmp_path / "results.json"
    path.write_bytes(data.draw(damaged(content)))
    with limited_memory(MEMORY):
        read(path)


@slowly
@given(data=st.data())
def test_no_damage_to_what_a_page_carries_is_a_traceback(tmp_path: Path, data: st.DataObject):
    packed = extract.pack([Results.from_dict(DOCUMENTS[-1])])
    page = (
        f'<script type="application/octet-stream" id="edgecnn-raw" data-codec="{packed.codec}">'
        f"{packed.text}</script>"
    ).encode()
    path = tmp_path / "report.html"
    path.write_bytes(data.draw(damaged(page)))
    with limited_memory(2 * MEMORY):
        try:
            extract.read_embedded(path)
        except EdgeCNNError as error:
            assert error.hint  # noqa: PT017


def test_a_file_of_lists_only_is_refused_before_it_fills_the_memory(tmp_path: Path):
    path = tmp_path / "results.json"
    path.write_text("[" + "[],[1]," * 2_000_000 + "[]]", encoding="ascii")
    with (
        limited_memory(400 << 20),
        pytest.raises(EdgeCNNError, match="more than 2,000,000 lists and objects"),
    ):
        Results.load(path)
