"""edgecnn results: the memory of all measurements, in a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.commands import results_bisect, results_gate
from edgecnn.cli.screen.messages import say

if TYPE_CHECKING:
    from edgecnn.results import Results
    from edgecnn.store.sql import Database


@click.group()
def command() -> None:
    """Keep results in a database: import them, see what changed, and gate on it.

    The database is ~/.local/share/edgecnn/results.db, or the one that EDGECNN_DB names
    (sqlite:////path or postgresql+psycopg://user@host/name). It needs edgecnn[store].
    """


def _metric_names() -> list[str]:
    from edgecnn.store.history import METRICS

    return list(METRICS)


@command.command("import", short_help="Store results files.")
@click.argument("files", nargs=-1, required=True, type=options.FILE)
@click.option(
    "--label",
    default="main",
    show_default=True,
    help="A label for the results, as in main or a branch.",
)
@click.option("--commit", default="", help="The version of your own code that was measured.")
@click.option("--machine", default="", help="A name for the machine, where several are the same.")
def import_files(files: tuple[Path, ...], label: str, commit: str, machine: str) -> None:
    """Store FILES (results, reports that carry them, or folders of them).

    What is stored already is not stored twice, so a whole folder can be imported again. Files
    that hold no results are named and left out; exit code 2 when nothing could be read.
    """
    from edgecnn.cli.screen.progress import progress_bar
    from edgecnn.reporting import extract
    from edgecnn.store import open_database
    from edgecnn.store.importing import import_all

    with open_database() as database, progress_bar() as progress:
        imported = import_all(
            database,
            files,
            label=label,
            commit=commit,
            machine=machine,
            load=extract.read_any,
            progress=progress,
        )
    for path, reason in imported.refused:
        say(f"{path}: left out: {reason}")
    click.echo(f"{imported} in {database.safe_address}")
    imported.require_anything()


@command.command("list", short_help="List what is stored.")
@click.option("--label", default="", help="Only sessions with this label.")
def list_sessions(label: str) -> None:
    """List stored sessions: number, time, label, rows, machine."""
    from edgecnn.reporting.history import day
    from edgecnn.store import open_database
    from edgecnn.text import clean

    with open_database() as database:
        sessions = database.sessions(label)
    for each in sessions:
        what = f"{clean(each.label, 20):<20} {each.rows:>5} rows  {clean(each.machine, 60)}"
        click.echo(f"{each.id:>6}  {day(each.measured_at)}  {what}")
    if not sessions:
        click.echo(f"no results{f' labeled {label}' if label else ''} in {database.safe_address}")


@command.command("export", short_help="Write stored results to files.")
@click.argument("sessions", nargs=-1, type=int, metavar="[SESSIONS…]")
@click.option("--label", default="", help="Every session with this label.")
@click.option("--out", type=options.FILE, required=True, help="A folder, or a file for one.")
@click.option(
    "--format",
    "form",
    type=options.Name(options.export_format_names),
    help="One file for another program: bmf, customSmallerIsBetter or junit.",
)
@options.force()
def export(sessions: tuple[int, ...], label: str, out: Path, form: str | None, force: bool) -> None:
    """Write SESSIONS (their numbers, as `results list` shows them) as results files.

    Without numbers all sessions are written, or those with the label.
    """
    from edgecnn.files import refuse_overwrite, write_text_atomically
    from edgecnn.registry import lookup
    from edgecnn.reporting import exports
    from edgecnn.store import json_files, open_database

    write = lookup("format", form, exports.FORMATS) if form else None
    with open_database() as database:
        chosen = list(sessions) or [each.id for each in database.sessions(label)]
        if write is not None and chosen:
            refuse_overwrite(out, force=force)
            loaded = [_load_session(database, number) for number in chosen]
            write_text_atomically(out, write(exports.rows_of(loaded)))
            click.echo(out)
            return
        _check_number(chosen, out)
        for number in chosen:
            results = _load_session(database, number)
            path = out
            if out.suffix != ".json":
                path = json_files.named(out, number, results.environment.created_at)
            refuse_overwrite(path, force=force)
            results.save(path)
            click.echo(path)


def _load_session(database: Database, number: int) -> Results:
    """A session; rows of it that cannot be read are named."""
    results = database.load(number)
    for lost in results.left_out:
        say(f"session {number}: {lost}")
    return results


def _check_number(chosen: list[int], out: Path) -> None:
    from edgecnn.errors import InputError

    if not chosen:
        raise InputError("no such results in the database", hint="edgecnn results list")
    if out.suffix == ".json" and len(chosen) > 1:
        raise InputError(
            f"{len(chosen)} sessions do not go into one file", hint="pass a folder as --out"
        )


@command.command(short_help="A number over time, and when it changed.")
@click.argument("model", type=options.Name(list))
@click.option(
    "--metric",
    type=options.Name(_metric_names),
    default="p50",
    show_default=True,
    help="Which number: p50, p90, p99, throughput, load, first, memory, size or accuracy.",
)
@click.option("--runtime", default="", help="Only this runtime, as in litert or litert:cpu.")
@click.option("--machine", default="", help="Only machines with this in their name.")
@click.option("--label", default="", help="Only results with this label.")
@click.option("--since", default="", help="Only measurements from this day on, as in 2026-05-01.")
@click.option("--out", type=options.FILE, help="Write a page (.html) or a table (.csv) too.")
@options.force()
def history(
    *,
    model: str,
    metric: str,
    runtime: str,
    machine: str,
    label: str,
    since: str,
    out: Path | None,
    force: bool,
) -> None:
    """Show a number of MODEL over time, machines and versions, and when it changed.

    MODEL is the name of a file or of a network, with * for any characters. A change is named
    with what has another version from then on.
    """
    from edgecnn.cli.screen.tables import console
    from edgecnn.errors import InputError
    from edgecnn.files import write_text_atomically
    from edgecnn.registry import lookup
    from edgecnn.reporting import history as rendering
    from edgecnn.store import open_database
    from edgecnn.store.history import METRICS

    lookup("metric", metric, METRICS)
    writers = {".html": rendering.page, ".csv": rendering.table}
    write = lookup("ending of a history", out.suffix.lower(), writers) if out else None
    options.claim_new_file(out, force=force)
    begin = _parse_day(since)
    with open_database() as database:
        from edgecnn.store.sql import MeasurementFilter

        series = database.history(MeasurementFilter(model, runtime, machine, label, begin), metric)
    if not series:
        raise InputError(
            f"no {metric} of {model} is stored for that choice",
            hint="leave out --runtime, --machine, --label or --since, or take another --metric",
        )
    console().print(rendering.terminal(series))
    if out is not None and write is not None:
        write_text_atomically(out, write(series))
        click.echo(out)


@command.command(short_help="Delete old results.")
@click.option("--older-than", metavar="DAYS", type=float, help="Measured more than DAYS ago.")
@click.option("--label", default="", help="Only results with this label.")
@click.option("--samples", is_flag=True, help="Delete raw samples only; numbers stay.")
@click.option("--dry-run", is_flag=True, help="Only report what would be deleted.")
def prune(older_than: float | None, label: str, samples: bool, dry_run: bool) -> None:
    """Forget results that are old, or that carry a label; pass at least one of both.

    What is forgotten is gone: export it first if in doubt.
    """
    import time

    from edgecnn import numbers
    from edgecnn.errors import InputError
    from edgecnn.store import open_database

    if older_than is None and not label:
        raise InputError("nothing chosen", hint="pass --older-than DAYS, --label NAME or both")
    if older_than is not None and not older_than >= 0:
        raise InputError(
            f"--older-than takes days from 0, received: {older_than:g}", hint="as in 180"
        )
    before = None if older_than is None else time.time() - older_than * 86_400
    with open_database() as database:
        pruned = database.prune(before=before, label=label, samples_only=samples, dry_run=dry_run)
    rows = numbers.plural(pruned.measurements, "measurement")
    what = f"raw samples of {rows}" if samples else rows
    sessions = numbers.plural(pruned.sessions, "session")
    verb = "would be forgotten" if dry_run else "forgotten"
    kept = "" if pruned.given_back else "; the file could not be made smaller and keeps the space"
    click.echo(f"{what} in {sessions} {verb} ({numbers.size(pruned.bytes)}{kept})")


def _parse_day(text: str) -> float | None:
    """A day as seconds since 1970 (UTC)."""
    from datetime import UTC, datetime

    from edgecnn.errors import InputError

    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        raise InputError(
            f"--since takes a day, received: {text[:40]}", hint="as in 2026-05-01"
        ) from None


command.add_command(results_gate.command, "gate")
command.add_command(results_bisect.command, "bisect")
