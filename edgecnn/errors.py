"""Error classes: a message, a hint and an exit code.

Exit codes: 0 done; 1 the answer is "no"; 2 wrong usage or bad input; 3 a runtime or a
dependency is missing; 70 a bug in edgecnn; 130 interrupted.
"""

from __future__ import annotations

BUG_EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h. Never Python's own 1, which is an answer here."""


class EdgeCNNError(Exception):
    """An error whose message is for the user; anything else that escapes is a bug.

    `message` says what came and what was expected, `hint` what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def with_hint(self) -> str:
        """The message in one line, with the hint in brackets where there is one."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InputError(EdgeCNNError):
    """A file, a name, a shape or a value that cannot be used."""

    exit_code = 2


class MissingDependencyError(EdgeCNNError):
    """A package that is needed here is not installed."""

    exit_code = 3


class UnsupportedError(EdgeCNNError):
    """This machine, or this runtime, cannot honestly run what was asked for."""

    exit_code = 3


class UnavailableError(UnsupportedError):
    """This machine lacks a device or an environment that a runtime needs, whatever the model."""


class GateError(EdgeCNNError):
    """The question was answered, and the answer is "no" (a gate failed, a regression was found)."""

    exit_code = 1
