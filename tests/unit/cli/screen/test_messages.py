"""One renderer of errors, for a verb's own and for those of boards that it reports on the way."""

from __future__ import annotations

import pytest

from edgecnn.boards.connection import BoardError
from edgecnn.boards.work import JobOutcome
from edgecnn.cli import invoke
from edgecnn.cli.screen import messages


def raised(error: BaseException) -> BaseException:
    """The error as it is caught: with its traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.fixture
def failing_board(monkeypatch, tmp_path):
    """A board that was taken out, when jobs are resumed."""
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    monkeypatch.setenv("EDGECNN_DB", f"sqlite:///{tmp_path}/results.db")
    error = raised(BoardError("one: gone", hint="edgecnn boards check one"))
    monkeypatch.setattr(
        "edgecnn.boards.work.work_off", lambda *_, **__: JobOutcome(errors={"one": error})
    )


def test_debug_shows_the_traceback_of_a_board(failing_board, capsys):
    assert invoke(["boards", "resume", "--debug"]) == 1
    said = capsys.readouterr().err
    assert said.count("Traceback (most recent call last)") == 2  # the board's, then the verb's
    assert said.index("BoardError: one: gone") < said.index("error: one: gone")


def test_without_debug_a_board_gets_its_line_and_its_next_step(failing_board, capsys):
    assert invoke(["boards", "resume"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["error: one: gone", "  → edgecnn boards check one"]


def test_a_traceback_steers_no_terminal(capsys):
    messages.say_error(raised(BoardError("one: \x1b]0;title\x07")), debug=True)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert all(char.isprintable() for char in said.replace("\n", ""))
