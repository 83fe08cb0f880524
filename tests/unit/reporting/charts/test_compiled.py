"""Charts are compiled once for the same runtimes, recipes and machines, whatever was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.analysis.rows import collect
from edgecnn.reporting.charts import compiled as compiled_charts
from edgecnn.reporting.charts.compiled import compiled


@pytest.fixture
def made(tmp_path, monkeypatch) -> list[str]:
    """The names of the charts that were compiled; nothing is, so that it takes no time."""
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    names: list[str] = []

    def compile_one(chart, _domains):
        names.append(chart.name)
        return {"marks": [chart.name]}

    monkeypatch.setattr(compiled_charts, "_compile", compile_one)
    return names


def test_the_second_page_compiles_nothing_and_has_the_same_charts(results, made):
    rows = collect([results])
    first = compiled(rows)
    count = len(made)
    assert count == len(first) > 3
    assert compiled(rows) == first
    assert len(made) == count


def test_other_runtimes_have_other_charts(results, made):
    rows = collect([results])
    compiled(rows)
    count = len(made)
    compiled([replace(row, runtime=f"other-{row.runtime}") for row in rows])
    assert len(made) == 2 * count


@pytest.mark.parametrize("content", ["", "{", "[]", '{"size": 3}', "\xff"])
def test_a_damaged_file_is_made_again(results, made, tmp_path, content):
    rows = collect([results])
    whole = compiled(rows)
    (kept,) = (tmp_path / "charts").iterdir()
    kept.write_text(content, encoding="latin-1")
    assert compiled(rows) == whole
    assert len(made) == 2 * len(whole)


def test_a_few_of_the_last_are_kept(results, made, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_charts, "MOST_KEPT", 2)
    rows = collect([results])
    for number in range(4):
        compiled([replace(row, machine_label=f"board {number}") for row in rows])
    assert len(list((tmp_path / "charts").iterdir())) == 2


def test_without_a_folder_to_keep_them_in_the_charts_are_there(results, made, monkeypatch):
    monkeypatch.setenv("EDGECNN_HOME", "/dev/null/nowhere")
    assert compiled(collect([results]))
