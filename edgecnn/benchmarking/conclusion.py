"""Fail a benchmark in which no row was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgecnn.errors import GateError, InputError, MissingDependencyError
from edgecnn.results import Measurement


def require_a_measurement(rows: Iterable[Measurement]) -> None:
    """Raise when none of the rows that were asked for was measured.

    MissingDependencyError where this machine lacks every runtime or device, InputError where
    the file or an option cannot be used on any that it has, GateError otherwise (no runtime
    could run the model: the answer to "how fast is it?" is "it does not run here").
    """
    rows = list(rows)
    if not rows or any(row.runs or row.status == "ok" for row in rows):
        return
    states = Counter(row.status for row in rows)
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    message = f"nothing was measured ({counted})"
    tried = [row for row in rows if row.cause != "missing"]
    if not tried:
        raise MissingDependencyError(
            f"{message}: no row can run on this machine",
            hint=next((row.hint for row in rows if row.hint), None)
            or "run edgecnn doctor for details",
        )
    if all(row.cause == "input" for row in tried):
        raise InputError(f"{message}: {tried[0].error}", hint=tried[0].hint or "")
    hint = next((row.hint for row in tried if row.hint), None)
    raise GateError(message, hint=hint or "see the reasons below the table")
