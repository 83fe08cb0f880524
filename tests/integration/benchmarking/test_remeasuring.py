"""A gate that measures the stored baseline again, together with what is new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.benchmarking import remeasuring
from edgecnn.cli import invoke
from edgecnn.results import Results
from tests.unit.formats.small_models import write_tflite

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("beside")


@pytest.fixture(scope="module")
def measured(folder):
    """Results of a file that is stored as main, and of another one of the same name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGECNN_DB", str(folder / "results.db"))
        found = {}
        for place in ("old", "new"):
            (folder / place).mkdir()
            model = write_tflite(folder / place / "model.tflite")
            if place == "new":  # a byte that nobody reads: another file, the same network
                model.write_bytes(model.read_bytes() + b"\0")
            found[place] = folder / f"{place}.json"
            typed = ["benchmark", str(model), "--runtimes", "litert:cpu", "--quick", "--processes",
                     "3", "--max-secs", "1", "--out", str(found[place])]  # fmt: skip
            assert invoke(typed) == 0
        assert invoke(["results", "import", str(found["old"])]) == 0
        yield found


def test_a_baseline_whose_file_is_here_is_measured_in_the_same_rounds(measured, folder, capsys):
    capsys.readouterr()
    code = invoke(["results", "gate", str(measured["new"]), "--remeasure", str(folder / "old")])
    said = capsys.readouterr()
    assert code in (0, 1), said.err  # three short processes on a shared machine decide little
    assert "measured together with it in " in said.out + said.err


def test_why_a_baseline_is_not_measured_again_is_said(measured, folder, capsys):
    (folder / "empty").mkdir()
    capsys.readouterr()
    invoke(["results", "gate", str(measured["new"]), "--remeasure", str(folder / "empty")])
    said = capsys.readouterr()
    assert "not measured again: the baseline's model file is not here" in said.err


def test_another_version_without_an_environment_is_not_measured(measured, folder):
    (row,) = Results.load(measured["new"]).measurements
    runs = tuple(
        replace(run, effective=replace(run.effective, runtime_version="LiteRT 1.0.1"))
        for run in row.runs
    )
    files = remeasuring.find_files([folder / "new"], Results.load(measured["new"]))
    pair = remeasuring.remeasure(replace(row, runs=runs), row, files, protocol={"name": "quick"})
    assert pair.before is None
    assert "LiteRT 1.0.1 has no environment here" in pair.why


def test_the_same_file_in_the_same_version_has_nothing_to_be_measured_beside(measured, folder):
    results = Results.load(measured["new"])
    (row,) = results.measurements
    pair = remeasuring.remeasure(row, row, remeasuring.find_files([], results), protocol={})
    assert pair.why == "file and version are the baseline's own"
