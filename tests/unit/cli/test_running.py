"""Whatever becomes of a verb: a line, a next step, an exit code that means one thing."""

from __future__ import annotations

import errno

import pytest

from edgecnn.cli import invoke, running
from edgecnn.results import Results


@pytest.fixture
def failing(monkeypatch):
    """Let `edgecnn compare` fail with an error, whichever it is."""

    def plant(error: BaseException) -> None:
        def load(path):
            raise error

        monkeypatch.setattr(Results, "load", load)

    return plant


COMPARE = ["compare", "a.json", "b.json"]


def test_a_bug_is_no_answer(failing, capsys):
    failing(KeyError("first"))
    assert invoke(COMPARE) == 70
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: KeyError: 'first'"
    assert "--debug" in said[1]
    assert len(said) == 2


@pytest.mark.parametrize("arguments", [["--debug", *COMPARE], [*COMPARE, "--debug"]])
def test_debug_shows_the_traceback_before_and_after_the_verb(failing, capsys, arguments):
    failing(KeyError("first"))
    assert invoke(arguments) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["data", "check", "none"], ["env", "create", "none"]])
def test_verbs_below_a_verb_take_debug_too(capsys, arguments):
    assert invoke([*arguments, "--debug"]) == invoke(arguments) == 2
    assert capsys.readouterr().err.count("Traceback (most recent call last)") == 1


def test_the_traceback_of_a_bad_input_comes_with_its_own_exit_code(capsys, tmp_path):
    missing = str(tmp_path / "none.json")
    assert invoke(["compare", missing, missing, "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert invoke(["compare", missing, missing]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_bad_input(failing, capsys):
    failing(PermissionError(errno.EACCES, "Permission denied", "a.json"))
    assert invoke(COMPARE) == 2
    assert "cannot use a.json: Permission denied" in capsys.readouterr().err


def test_too_little_memory_is_said(failing, capsys):
    failing(MemoryError())
    assert invoke(COMPARE) == 2
    assert "out of memory" in capsys.readouterr().err


def test_an_interruption_that_a_library_turned_into_its_own_error_is_one(failing, monkeypatch):
    failing(ImportError("initialization failed"))
    monkeypatch.setattr(running.interruption, "_count", 1)
    assert invoke(COMPARE) == 130


def test_a_reader_that_has_gone_gets_no_verdict(failing, monkeypatch):
    muted = []
    monkeypatch.setattr(running.messages, "mute", muted.append)
    failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert invoke(COMPARE) == 141
    assert muted
