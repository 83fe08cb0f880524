"""edgecnn boards: the machines that are measured over SSH."""

from __future__ import annotations

from contextlib import closing

import click

from edgecnn.cli import options
from edgecnn.cli.screen.messages import debugging, say, say_error
from edgecnn.cli.screen.progress import progress_bar


@click.group()
def command() -> None:
    """Manage the boards that `edgecnn benchmark --on NAME` measures on, over SSH.

    Host keys, keys, aliases and jump hosts are those of ~/.ssh. Nothing stays running on a board
    that waits. It needs edgecnn[boards].
    """


@command.command(short_help="Add a board.")
@click.argument("name")
@click.argument("address")
@options.defaulted("--python", default_text="python3", help="Python on the board (3.11 or newer).")
@click.option(
    "--extra",
    "extras",
    multiple=True,
    help="Runtime to install on the board, as in litert or onnx; once for each.",
)
@click.option("--key", default="", help="A private key, if ssh would not try it by itself.")
@click.option("--tag", "tags", multiple=True, help="A name for several boards; once for each.")
@click.option("--offline", is_flag=True, help="The board has no network: send the required wheels.")
@options.force()
def add(
    *,
    name: str,
    address: str,
    python: str | None,
    extras: tuple[str, ...],
    key: str,
    tags: tuple[str, ...],
    offline: bool,
    force: bool,
) -> None:
    """Add the board NAME at ADDRESS, as in ssh://pi@10.0.0.7 (no password: use a key)."""
    from edgecnn.boards import inventory

    board = inventory.Board(
        address,
        extras=extras,
        key=key,
        tags=tags,
        name=name,
        offline=offline,
        **options.without_none(python=python),
    )
    inventory.add(board, force=force)
    click.echo(f"{name} added to {inventory.file_of_boards()}; edgecnn boards check {name}")


@command.command("list", short_help="List the boards.")
def list_boards() -> None:
    """List the boards: name, address, Python, extras, tags."""
    from edgecnn.boards import inventory
    from edgecnn.text import clean

    boards = inventory.load()
    for board in boards.values():
        more = [*board.extras, *(f"#{tag}" for tag in board.tags)]
        click.echo(
            clean(f"{board.name:<16} {board.address:<32} {board.python} {' '.join(more)}", 200)
        )
    if not boards:
        click.echo("no boards; edgecnn boards add NAME ssh://user@host")


@command.command(short_help="Remove a board.")
@click.argument("name", type=options.Name(options.board_names))
def remove(name: str) -> None:
    """Remove the board NAME from the inventory; files on the board are kept."""
    from edgecnn.boards import inventory

    inventory.remove(name)
    click.echo(f"{name} removed")


@command.command(short_help="See whether boards can measure now.")
@click.argument("names", nargs=-1, metavar="[NAMES…]")
def check(names: tuple[str, ...]) -> None:
    """Reach NAMES (all boards without any), bring edgecnn there, and look at their health.

    Which runtimes they have, free memory and disk, temperature, throttling, and how steady a
    short computation is. Exit code 1 when a board cannot measure now.
    """
    from edgecnn.boards import inventory
    from edgecnn.boards.checking import check_all
    from edgecnn.errors import GateError, InputError
    from edgecnn.text import printable

    boards = inventory.choose(names) if names else list(inventory.load().values())
    if not boards:
        raise InputError("no boards are known", hint="edgecnn boards add NAME ssh://user@host")
    checks = check_all(boards)
    for each in checks:
        mark = click.style("ok ", fg="green") if each.fit else click.style("no ", fg="red")
        click.echo(f"{mark} {printable(each.line)}")
        for line in each.details:
            click.echo(f"    {printable(line)}")
    unfit = [each.board.name for each in checks if not each.fit]
    if unfit:
        raise GateError(
            f"{len(unfit)} of {len(checks)} boards cannot measure now: {', '.join(unfit)}"
        )


@command.command(short_help="List jobs and their states.")
def jobs() -> None:
    """List the jobs of all clients: what waits, what is under way, what is done."""
    from edgecnn.reporting.history import day
    from edgecnn.store import open_database
    from edgecnn.text import clean

    with open_database() as database:
        listed_jobs, now = database.jobs(), database.now()
    for job in listed_jobs:
        state = "abandoned" if job.state == "taken" and job.is_free(now) else job.state
        what = job.error or (f"session {job.session}" if job.session is not None else job.client)
        line = f"{job.id:>5}  {day(job.created_at)}  {job.board:<16} {state:<10} {what}"
        click.echo(clean(line, 200))
    if not listed_jobs:
        click.echo("no jobs")


@command.command(short_help="Remove jobs that wait or have failed.")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(min=1), metavar="NUMBERS…")
def cancel(numbers: tuple[int, ...]) -> None:
    """Remove the jobs NUMBERS (see `edgecnn boards jobs`) that wait, were abandoned or have failed.

    A job that a client works on, or that is done, stays. Results that lie on the board or in the
    database stay, too. Exit code 2 for a number without such a job.
    """
    from edgecnn.errors import InputError
    from edgecnn.store import open_database

    with open_database() as database:
        removed = database.cancel(numbers)
    for number in dict.fromkeys(numbers):
        if number in removed:
            click.echo(f"job {number} removed")
    kept = [str(number) for number in dict.fromkeys(numbers) if number not in removed]
    if kept:
        raise InputError(
            f"not removed: {', '.join(kept)} (no such job, or it is done or under way)",
            hint="edgecnn boards jobs lists them",
        )


@command.command(short_help="Resume jobs whose client has exited.")
def resume() -> None:
    """Resume every job whose client has exited, on all boards at once: fetch finished results,
    measure the rest.

    A board that cannot measure now is taken out, and its jobs wait for another time.
    """
    from edgecnn.boards.queue import Queue
    from edgecnn.boards.work import work_off
    from edgecnn.errors import GateError

    with closing(Queue.open()) as queue, progress_bar() as progress:
        outcome = work_off(queue, say, progress=progress)
    for path in outcome.files:
        click.echo(path)
    for error in (*outcome.failed, *outcome.errors.values()):
        say_error(error, debug=debugging())
    if outcome.failed or outcome.errors:
        excluded = f", {len(outcome.errors)} boards were taken out" if outcome.errors else ""
        raise GateError(
            f"{len(outcome.files)} jobs done, {len(outcome.failed)} failed{excluded}",
            hint="edgecnn boards jobs",
        )
    click.echo(f"{len(outcome.files)} jobs resumed")
