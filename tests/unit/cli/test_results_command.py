"""`edgecnn results` as it is typed: what it prints, writes, and exits with."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from xml.etree import ElementTree as ET

import pytest

from edgecnn.cli import invoke
from edgecnn.results import Results
from tests.unit.store import made_up


@pytest.fixture(autouse=True)
def own_database(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECNN_DB", str(tmp_path / "db" / "results.db"))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "files"
    place.mkdir()
    for day in range(8):
        made_up.session(day, rows=2).save(place / f"{day}.json")
    return place


def test_a_folder_is_imported_and_imported_again(folder, capsys):
    (folder / "other.json").write_text('{"something": "else"}')
    assert invoke(["results", "import", str(folder)]) == 0
    said = capsys.readouterr()
    assert "8 files: measurements: 16 new" in said.out
    assert "other.json: left out: " in said.err
    assert invoke(["results", "import", str(folder)]) == 0
    assert "0 new, 16 known already" in capsys.readouterr().out


def test_a_machine_that_is_named_with_a_second_import_is_taken_and_said(folder, capsys):
    assert invoke(["results", "import", str(folder)]) == 0
    capsys.readouterr()
    assert invoke(["results", "import", str(folder), "--machine", "left"]) == 0
    assert "16 known already; 8 with a new machine" in capsys.readouterr().out
    assert invoke(["results", "list"]) == 0
    assert capsys.readouterr().out.count("left") == 8


def test_many_files_are_read_by_several_processes(tmp_path, capsys):
    place = tmp_path / "many"
    place.mkdir()
    for day in range(70):
        made_up.session(day).save(place / f"{day:03}.json")
    (place / "bad.json").write_text("[")
    assert invoke(["results", "import", str(place)]) == 0
    said = capsys.readouterr()
    assert "70 files: measurements: 70 new" in said.out
    assert "bad.json: left out" in said.err


def test_a_file_that_holds_no_results_is_bad_input(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert invoke(["results", "import", str(tmp_path / "a.json")]) == 2
    assert "holds results" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "no-such-file.json"],
        ["import", "FOLDER", "--label", " "],
        ["history", "nothing"],
        ["history", "net0", "--metric", "p51"],
        ["history", "net0", "--since", "yesterday"],
        ["history", "net0", "--runtime", "litter"],
        ["history", "net0", "--out", "history.docx"],
        ["export", "99", "--out", "out"],
        ["export", "9223372036854775808", "--out", "out"],
        ["export", "--out", "out", "--format", "xml"],
        ["prune"],
        ["prune", "--older-than", "-1"],
        ["gate", "FOLDER/0.json", "--against", "mian"],
        ["gate", "FOLDER/0.json", "--format", "bmf"],
    ],
)
def test_bad_input_is_two_lines_and_exit_code_2(folder, capsys, arguments):
    assert invoke(["results", "import", str(folder)]) == 0
    capsys.readouterr()
    typed = [argument.replace("FOLDER", str(folder)) for argument in arguments]
    assert invoke(["results", *typed]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-2].startswith("error: ")
    assert said[-1].startswith("  → ")


def test_an_empty_database_says_how_to_fill_it(capsys):
    assert invoke(["results", "history", "lenet5"]) == 2
    assert "edgecnn results import" in capsys.readouterr().err


def test_what_was_imported_is_listed_and_exported_as_it_was(folder, tmp_path, capsys):
    assert invoke(["results", "import", str(folder), "--label", "nightly"]) == 0
    assert invoke(["results", "list", "--label", "nightly"]) == 0
    assert capsys.readouterr().out.count("nightly") == 8
    out = tmp_path / "out"
    assert invoke(["results", "export", "--label", "nightly", "--out", str(out)]) == 0
    exported = [Results.load(path).to_dict() for path in sorted(out.iterdir())]
    imported = [Results.load(path).to_dict() for path in sorted(folder.iterdir())]
    assert sorted(map(json.dumps, exported)) == sorted(map(json.dumps, imported))
    assert invoke(["results", "export", "--label", "nightly", "--out", str(out)]) == 2


def test_a_history_is_printed_and_written(folder, tmp_path, capsys):
    invoke(["results", "import", str(folder)])
    for name in ("history.html", "history.csv"):
        assert invoke(["results", "history", "net0", "--out", str(tmp_path / name)]) == 0
    assert "8 measurements" in capsys.readouterr().out
    assert (tmp_path / "history.html").read_text().startswith("<!doctype html>")
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 9


def test_a_gate_exits_with_1_and_the_sentence_for_a_pull_request(folder, tmp_path, capsys):
    invoke(["results", "import", str(folder)])
    made_up.session(20, 1.3, rows=2).save(tmp_path / "new.json")
    out = tmp_path / "gate.md"
    assert invoke(["results", "gate", str(tmp_path / "new.json"), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "Regression against main: 2 slower of 2 configurations" in said.err
    assert said.out.count("slower than main") == 2
    assert out.read_text().startswith("**Regression against main")


def test_a_gate_over_unchanged_code_passes(folder, tmp_path, capsys):
    invoke(["results", "import", str(folder)])
    made_up.session(21, rows=2).save(tmp_path / "new.json")
    assert invoke(["results", "gate", str(tmp_path / "new.json")]) == 0
    assert "No regression against main in 2 configurations" in capsys.readouterr().out


def test_a_gate_names_the_rows_that_it_cannot_read(folder, tmp_path, capsys):
    invoke(["results", "import", str(folder)])
    path = tmp_path / "new.json"
    made_up.session(21, rows=2).save(path)
    document = json.loads(path.read_text())
    document["measurements"][1]["runs"] = "\x1b[2J"
    path.write_text(json.dumps(document))
    assert invoke(["results", "gate", str(path)]) == 0
    said = capsys.readouterr().err
    assert f"{path}: row 2 (net1.float32.tflite on litert) left out: " in said
    assert "\x1b" not in said


def test_rows_that_cannot_be_exported_are_named_whatever_the_format(folder, tmp_path, capsys):
    invoke(["results", "import", str(folder / "0.json")])
    with closing(sqlite3.connect(tmp_path / "db" / "results.db")) as database, database:
        database.execute("UPDATE details SET document = 'x' WHERE measurement_id = 1")
    for words in ([], ["--format", "bmf"]):
        out = tmp_path / f"out{len(words)}.json"
        assert invoke(["results", "export", "1", "--out", str(out), *words]) == 0
        assert "session 1: measurement 1 left out: " in capsys.readouterr().err


@pytest.mark.parametrize("form", ["bmf", "customSmallerIsBetter", "junit"])
def test_a_gate_writes_what_other_programs_read(folder, tmp_path, form):
    invoke(["results", "import", str(folder)])
    made_up.session(20, 1.3, rows=2).save(tmp_path / "new.json")
    out = tmp_path / "out"
    typed = ["results", "gate", str(tmp_path / "new.json"), "--format", form, "--out", str(out)]
    assert invoke(typed) == 1
    if form == "junit":
        assert ET.parse(out).getroot()[0].get("failures") == "2"
    else:
        assert json.loads(out.read_text())


def test_a_gate_without_any_baseline_here_is_bad_input(folder, tmp_path, capsys):
    invoke(["results", "import", str(folder)])
    made_up.session(20, board="Board B").save(tmp_path / "new.json")
    assert invoke(["results", "gate", str(tmp_path / "new.json")]) == 2
    assert "stored as main only on Board A" in capsys.readouterr().err


def test_prune_says_what_it_forgets_and_forgets_it(folder, capsys):
    invoke(["results", "import", str(folder)])
    assert invoke(["results", "prune", "--label", "main", "--dry-run"]) == 0
    assert "16 measurements in 8 sessions would be forgotten" in capsys.readouterr().out
    assert invoke(["results", "prune", "--label", "main"]) == 0
    assert invoke(["results", "list"]) == 0
    assert "no results in" in capsys.readouterr().out


def test_a_password_in_the_address_is_never_printed(folder, monkeypatch, capsys):
    monkeypatch.setenv("EDGECNN_DB", "postgresql+psycopg://me:s3cret@127.0.0.1:1/results")
    assert invoke(["--debug", "results", "import", str(folder)]) == 3
    said = capsys.readouterr()
    assert "s3cret" not in said.out + said.err
    assert "cannot use the database postgresql://127.0.0.1:1/results" in said.err
