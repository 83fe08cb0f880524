from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from edgecnn.errors import InputError
from edgecnn.reporting import csv as csv_report
from edgecnn.reporting import markdown, summary, terminal, write
from edgecnn.reporting.charts import catalog as charts
from edgecnn.reporting.charts import rendering as chart_rendering
from edgecnn.results import Results
from tests.unit.reporting import factory

EMPTY = Results(measurements=())


def printed(results, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(terminal.render(results))
    return console.file.getvalue()


def test_csv_has_one_row_a_measurement_under_one_header(results):
    rows = list(csv.DictReader(io.StringIO(csv_report.render([results]))))
    assert len(rows) == len(results.measurements)
    assert float(rows[0]["p50_ms"]) == pytest.approx(results.measurements[0].latency.p50)
    assert rows[-1]["state"] == "failed"


def test_csv_of_hostile_results_parses_and_holds_no_formula(hostile):
    rows = list(csv.reader(io.StringIO(csv_report.render([hostile]))))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) == len(hostile.measurements) + 1
    for cell in (cell for row in rows for cell in row):
        assert "\x1b" not in cell
        if cell.startswith(("=", "+", "-", "@", "|", "%")):
            float(cell)


def test_markdown_answers_first_and_stays_short(results):
    text = markdown.render([results])
    lines = text.splitlines()
    assert lines[2].startswith("- **Sample CPU")
    assert sum(line.startswith("| ") for line in lines[: lines.index("</details>")]) < 60
    assert "unsupported" in text


def test_markdown_tables_stay_tables_whatever_the_names(hostile):
    for line in markdown.render([hostile]).splitlines():
        if line.startswith("| "):
            bare = line.replace("\\\\", "").replace("\\|", "")
            assert bare.count("|") in (5, 10)
        assert not re.search(r"(?<!\\)<(script|img|svg)", line)


@pytest.mark.parametrize("width", [100, 120, 160])
def test_the_console_table_fits_and_loses_no_number(results, width):
    text = printed([results], width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    table = lines[2 : 2 + len(results.measurements)]
    numbers = [line.split(":", 1)[1] for line in table if "VALID" in line]
    assert all(line.rstrip().endswith("VALID") for line in table if "VALID" in line)
    assert all("%" in line and "MB" in line for line in numbers)
    assert "Best: " in text


def test_the_console_gets_no_escapes_and_no_markup_from_results(hostile):
    text = printed([hostile], 120)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text


def test_the_summary_is_json_with_the_answer_and_flat_rows(results):
    document = json.loads(summary.render([results]))
    best = document["best"][0]
    assert document["rows"][best["row"]]["id"] == best["row"]
    assert len(document["rows"]) == len(results.measurements)


@pytest.mark.parametrize("suffix", [".html", ".md", ".csv", ".json"])
@pytest.mark.parametrize("kind", ["empty", "hostile", "one broken row", "several machines"])
def test_every_renderer_takes_any_results(tmp_path, suffix, kind, hostile, results):
    broken = replace(results, measurements=results.measurements[-1:])
    given = {
        "empty": [EMPTY],
        "hostile": [hostile],
        "one broken row": [broken],
        "several machines": [results, factory.sample("Board", 2.0, 3), hostile],
    }[kind]
    path = tmp_path / f"report{suffix}"
    assert write(given, path) == [path]
    text = path.read_text(encoding="utf-8")
    assert text
    assert printed(given, 120)


def test_an_unknown_ending_names_the_known_ones(results, tmp_path):
    with pytest.raises(InputError) as caught:
        write([results], tmp_path / "report.docx")
    assert ".html" in caught.value.hint


def test_no_results_are_an_error(tmp_path):
    with pytest.raises(InputError, match="no results"):
        write([], tmp_path / "report.html")


def test_an_unknown_chart_names_the_known_ones(results, tmp_path):
    with pytest.raises(InputError) as caught:
        write([results], tmp_path / "a.png", chart="nothing")
    assert "accuracy_latency" in caught.value.hint


def test_a_chart_without_data_says_what_can_be_drawn(results, tmp_path):
    with pytest.raises(InputError) as caught:
        write([results], tmp_path / "a.svg", chart="roofline")
    assert "memory" in caught.value.hint


def test_the_old_name_of_the_argument_works_and_warns(results, tmp_path):
    with (
        pytest.warns(DeprecationWarning, match="`picture` is now `chart`"),
        pytest.raises(InputError, match="no chart named 'nothing'"),
    ):
        write([results], tmp_path / "a.png", picture="nothing")


@pytest.mark.parametrize(
    ("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")]
)
def test_a_chart_is_written_in_each_format(results, tmp_path, kind, magic):
    (path,) = write([results], tmp_path / f"chart.{kind}")
    assert path.read_bytes().startswith(magic)


def full_of_everything() -> Results:
    """Results that fill every chart."""
    base = factory.sample()
    passes = {
        "energy": {"joules_per_inference": 0.002},
        "cost": {"macs": 423_000, "bytes_moved": 246_000},
        "sustained": {
            "buckets": [
                {"minute": m, "p50_ms": 1 + m / 50, "p90_ms": 1.2, "temperature_c": 50 + m}
                for m in range(10)
            ]
        },
    }
    rows = tuple(
        replace(row, runs=tuple(replace(run, passes=passes) for run in row.runs))
        for row in base.measurements
    )
    limits = {"threads": {"1": {"float32_gflops": 100.0, "bandwidth_gb_s": 20.0}}}
    machine = {**base.environment.machine, "limits": limits}
    return replace(base, measurements=rows, environment=replace(base.environment, machine=machine))


@pytest.mark.parametrize("name", charts.names())
def test_every_chart_can_be_drawn(name):
    given = [full_of_everything(), factory.sample("Board", 2.0, 3)]
    svg = chart_rendering.render(given, name, "svg").decode()
    assert svg.startswith("<svg")
    assert svg.count("<path") > 10
    assert "NaN" not in svg
