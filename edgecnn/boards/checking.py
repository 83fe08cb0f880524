"""Check boards in parallel, with one line for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.boards.connection import ask, connected, unexpected
from edgecnn.boards.health_report import gigabytes, troubles
from edgecnn.boards.inventory import Board
from edgecnn.boards.preparing import prepare
from edgecnn.errors import EdgeCNNError
from edgecnn.text import shortened

EXAMINE_SECS = 600.0


@dataclass(frozen=True)
class Checked:
    """A board, whether it can measure now, and a line that says why."""

    board: Board
    fit: bool
    line: str
    details: tuple[str, ...] = ()


def check_all(boards: Sequence[Board]) -> list[Checked]:
    """Every board, side by side, in the order given."""
    return asyncio.run(_all(boards))


async def _all(boards: Sequence[Board]) -> list[Checked]:
    return list(await asyncio.gather(*map(_one, boards)))


async def _one(board: Board) -> Checked:
    try:
        async with connected(board) as connection:
            ready = await prepare(connection, board)
            command = ready.words("-m", "edgecnn.boards.runner", "--examine", str(ready.home))
            answer = await ask(connection, board, command, timeout=EXAMINE_SECS)
    except EdgeCNNError as error:
        return _unfit(board, error)
    except Exception as error:  # noqa: BLE001 (the other boards are looked at)
        return _unfit(board, unexpected(board.name, error))
    if answer.get("busy") is True:
        return Checked(board, True, f"{board.name}: measures a job now")
    return judged(board, answer)


def _unfit(board: Board, error: EdgeCNNError) -> Checked:
    return Checked(board, False, error.message, (f"→ {error.hint}",) if error.hint else ())


def judged(board: Board, answer: Mapping[str, Any]) -> Checked:
    """What a board's answer says; one that is not an answer is a board that cannot measure."""
    try:
        unfit = list(troubles(answer))
        runtimes = {
            str(name): bool(state["available"]) for name, state in answer["runtimes"].items()
        }
        machine = answer["machine"]
        hardware = ", ".join(
            str(machine[key]) for key in ("board", "cpu_model") if machine.get(key)
        )
        details = (
            shortened(
                f"{hardware}, {machine.get('logical_cores')} cores, {answer.get('kernel')}", 160
            ),
            "runtimes: "
            + (", ".join(name for name, available in runtimes.items() if available) or "none"),
            f"free: {gigabytes(answer['free_memory_bytes'])} of memory, "
            f"{gigabytes(answer['free_disk_bytes'])} of disk; "
            f"{_celsius(answer.get('temperature_c'))}{_clock(answer)}"
            f"governor {machine.get('governor')}",
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return Checked(board, False, f"{board.name}: gave an unreadable answer")
    if not any(runtimes.values()):
        unfit.append("no runtime is installed there (edgecnn boards add … --extra litert)")
    if unfit:
        line = f"{board.name}: {'; '.join(unfit)}"
        return Checked(board, False, line, details)
    return Checked(board, True, f"{board.name}: can measure", details)


def _clock(answer: Mapping[str, Any]) -> str:
    now, most = answer.get("clock_mhz"), answer.get("clock_max_mhz")
    if isinstance(now, (int, float)) and isinstance(most, (int, float)):
        return f"clock {now:.0f} of {most:.0f} MHz; "
    return ""


def _celsius(value: Any) -> str:
    return f"{float(value):.0f} °C; " if isinstance(value, (int, float)) else ""
