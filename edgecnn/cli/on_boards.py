"""edgecnn benchmark --on: the same benchmark on boards, side by side, in one table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import repetition

if TYPE_CHECKING:
    from edgecnn.boards.inventory import Board
    from edgecnn.boards.queue import Queue
    from edgecnn.boards.remote import Job
    from edgecnn.errors import EdgeCNNError
    from edgecnn.results import Results
    from edgecnn.store.sql import Job as Stored

NOT_SENT = frozenset({"--on", "--out", "--force", "--debug", "--data-dir"})


def measure(names: Sequence[str], models: Sequence[Path], out: Path, *, force: bool) -> None:
    """Measure `models` on boards with the options of the command that runs now, and print a table.

    With several boards each has a file of its own beside `out`. A board that fails is a line;
    the others go on, and the command then ends with exit code 1 (3 when none could measure).
    """
    from edgecnn.boards import inventory
    from edgecnn.boards.queue import Queue
    from edgecnn.boards.remote import Job
    from edgecnn.cli.tables import show
    from edgecnn.errors import GateError
    from edgecnn.formats.check import digest_of

    boards = inventory.choose(names)
    job = Job({digest_of(path)[0]: path for path in models}, tuple(_words()))
    outs = {board.name: _file_for(board, out, alone=len(boards) == 1) for board in boards}
    for path in outs.values():
        _refuse(path, force=force)
    queue = Queue.open()
    try:
        measured, failed = asyncio.run(_all(queue, boards, job, outs, force=force))
    finally:
        queue.close()
    if measured:
        show(list(measured.values()))
        files = " ".join(str(outs[name]) for name in measured)
        click.echo(f"{files}; a page of it: edgecnn report {files} --out boards.html")
    for error in failed.values():
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  → {error.hint}", err=True)
    if failed and not measured:
        raise next(iter(failed.values()))
    if failed:
        raise GateError(
            f"{len(failed)} of {len(boards)} boards did not measure: {', '.join(failed)}",
            hint="run the same command again: what the others measured is kept",
        )


async def _all(
    queue: Queue, boards: Sequence[Board], job: Job, outs: Mapping[str, Path], *, force: bool
) -> tuple[dict[str, Results], dict[str, EdgeCNNError]]:
    """Every board side by side: what was measured, and what went wrong, by board."""
    from edgecnn.boards.remote import measure as measure_on
    from edgecnn.errors import EdgeCNNError

    async def one(board: Board) -> Results | EdgeCNNError:
        try:
            async with queue.held(board, job, outs[board.name]) as ticket:
                results = await measure_on(board, job, outs[board.name], _say, force=force)
                ticket.done(results)
                return results
        except EdgeCNNError as error:
            return error

    found = dict(zip([board.name for board in boards],
                     await asyncio.gather(*map(one, boards)), strict=True))  # fmt: skip
    return (
        {name: each for name, each in found.items() if not isinstance(each, EdgeCNNError)},
        {name: each for name, each in found.items() if isinstance(each, EdgeCNNError)},
    )


def resume() -> None:
    """Take up the jobs that nobody works on, one after the other."""
    from edgecnn.boards.queue import Queue, read_document
    from edgecnn.boards.remote import measure as measure_on
    from edgecnn.errors import EdgeCNNError, GateError

    queue = Queue.open()
    done, failed = 0, 0
    try:
        while (stored := queue.take()) is not None:
            try:
                board, job, out = read_document(stored.document)
                asyncio.run(_one_taken(queue, stored, measure_on(board, job, out, _say)))
            except EdgeCNNError as error:
                failed += 1
                click.echo(f"error: {error.message}", err=True)
            else:
                done += 1
                click.echo(out)
    finally:
        queue.close()
    if failed:
        raise GateError(f"{failed} of {done + failed} jobs failed", hint="edgecnn boards jobs")
    click.echo(f"{done} jobs taken up")


async def _one_taken(queue: Queue, stored: Stored, work: Awaitable[Results]) -> None:
    async with queue.working_on(stored) as ticket:
        ticket.done(await work)


def _words() -> list[str]:
    """The options of the command that runs now, as a board is given them."""
    from edgecnn.errors import InputError

    context = click.get_current_context()
    place = str(context.params.get("data") or "")
    if ":" in place or context.params.get("data_dir"):
        raise InputError(
            f"data of this machine do not travel to a board: {place[:80]}",
            hint="measure there without --data, or with data that it can load by name (digits)",
        )
    chosen = [
        param
        for param in context.command.params
        if isinstance(param, click.Option) and NOT_SENT.isdisjoint(param.opts)
    ]
    return repetition.words(chosen, context.params)


def _file_for(board: Board, out: Path, *, alone: bool) -> Path:
    return out if alone else out.with_name(f"{out.stem}.{board.name}{out.suffix}")


def _refuse(path: Path, *, force: bool) -> None:
    """A file of other results is not overwritten; one of the same job is written again."""
    from edgecnn.files import refuse_overwrite

    refuse_overwrite(path, force=force)


def _say(line: str) -> None:
    click.echo(line, err=True)
