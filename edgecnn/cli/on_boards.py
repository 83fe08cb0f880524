"""edgecnn benchmark --on: the same benchmark on boards, side by side, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from edgecnn.cli import options, repetition
from edgecnn.cli.screen.messages import debugging, say, say_error
from edgecnn.cli.screen.progress import progress_bar

if TYPE_CHECKING:
    from edgecnn.boards.inventory import Board
    from edgecnn.boards.job import BoardJob
    from edgecnn.errors import EdgeCNNError
    from edgecnn.results import Results

NOT_SENT = frozenset(
    {"--on", "--out", "--force", "--debug", "--data", "--data-dir", "--classes", "--exif"}
    | {"--strict"}
)
"""Options that mean something here alone; data are read here and sent."""
FILES = ("--preprocessing", "--labels")
"""Options whose value may be the path of a file of this machine."""


def require_a_board(names: Sequence[str]) -> None:
    """Raise InputError for an --on that names no board: this machine was not meant."""
    from click.core import ParameterSource

    from edgecnn.errors import InputError

    source = click.get_current_context().get_parameter_source("on")
    if not names and source is ParameterSource.COMMANDLINE:
        raise InputError("--on names no board", hint="edgecnn boards list")


def measure(
    names: Sequence[str],
    models: Sequence[Path],
    out: Path,
    *,
    data: options.DataOptions,
    force: bool,
) -> None:
    """Measure `models` on boards with the options of the command that runs now, and print a table.

    With several boards each has a file of its own next to `out`, and a page shows them side by
    side. A board that fails is a line; the others continue, and the command then ends with exit
    code 1 (3 when none could measure). The same command again measures what is missing.
    """
    from edgecnn.boards import inventory
    from edgecnn.boards.queue import Queue
    from edgecnn.boards.work import measure_all
    from edgecnn.cli.screen.tables import show

    boards = inventory.choose(names)
    job = _job(models, data)
    outs = {board.name: _file_for(board, out, alone=len(boards) == 1) for board in boards}
    measured = _measured_before(boards, job, outs, force=force)
    waiting = [board for board in boards if board.name not in measured]
    errors: Mapping[str, EdgeCNNError] = {}
    if waiting:
        with closing(Queue.open()) as queue, progress_bar() as progress:
            outcome = measure_all(queue, waiting, job, outs, say, force=force, progress=progress)
        measured |= outcome.results
        errors = outcome.errors
    if measured:
        show(list(measured.values()))
        _write_page([outs[name] for name in measured], list(measured.values()), out, force=force)
    if errors:
        _raise_failures(errors, boards=len(boards), some_measured=bool(measured))


def _measured_before(
    boards: Sequence[Board], job: BoardJob, outs: Mapping[str, Path], *, force: bool
) -> dict[str, Results]:
    """By board, the results of this job that are there already; none with `force`. Raises
    InputError for a file that holds something else.
    """
    from edgecnn.boards.job import is_of
    from edgecnn.files import refuse_overwrite
    from edgecnn.results import Results

    measured: dict[str, Results] = {}
    for board in boards:
        path = outs[board.name]
        if force or not path.exists():
            continue
        if not is_of(path, board, job):
            refuse_overwrite(path, force=False)
        results = Results.load(path)
        if any(row.status == "ok" for row in results.measurements):
            say(f"{board.name}: measured already ({path}); --force measures again")
            measured[board.name] = results
    return measured


def _raise_failures(
    errors: Mapping[str, EdgeCNNError], *, boards: int, some_measured: bool
) -> NoReturn:
    """Say what went wrong on each of the boards, and end the command: where none measured, with
    the first of the errors.
    """
    from edgecnn.errors import GateError

    first, *others = errors.values()
    for error in (first, *others) if some_measured else others:
        say_error(error, debug=debugging())
    if not some_measured:
        raise first
    raise GateError(
        f"{len(errors)} of {boards} boards did not measure: {', '.join(errors)}",
        hint="run the same command again: what the others measured is kept",
    )


def _job(models: Sequence[Path], data: options.DataOptions) -> BoardJob:
    """The command that runs now as a job: its words, and the files that they name."""
    from edgecnn.boards.job import BoardJob, file_word
    from edgecnn.boards.transfer import upload_of
    from edgecnn.cli.commands.benchmark import command as benchmark
    from edgecnn.formats.check import digest_of

    files: dict[str, Path] = {}
    context = click.get_current_context()
    values = dict(context.params)
    for param in _sent_options(context):
        value = values.get(param.name or "")
        if param.opts[0] in FILES and isinstance(value, str) and Path(value).is_file():
            digest = upload_of(Path(value)).sha256
            files[digest] = Path(value)
            values[str(param.name)] = file_word(digest)
    words = repetition.words(_sent_options(context), values)
    if data.name:
        digest, path = _pack_data(data, models)
        files[digest] = path
        words += ["--data", f"sent:{file_word(digest)}"]
    return BoardJob(
        {digest_of(path)[0]: path for path in models},
        tuple(words),
        files,
        options.command_line(),
        repetition.shared_words(benchmark),
    )


def _sent_options(context: click.Context) -> list[click.Option]:
    return [
        param
        for param in context.command.params
        if isinstance(param, click.Option) and NOT_SENT.isdisjoint(param.opts)
    ]


def _pack_data(data: options.DataOptions, models: Sequence[Path]) -> tuple[str, Path]:
    """(digest, file) of the split that is measured, read here as the models were trained."""
    from edgecnn.boards.transfer import upload_of
    from edgecnn.cli.datasets import load_data
    from edgecnn.data.sources import sent
    from edgecnn.data.splitting.calibration_holdout import exclude_calibration_samples
    from edgecnn.embedded_manifest import load_artifact
    from edgecnn.system.places import cache_home

    dataset = load_data(data, models=models)
    dataset = exclude_calibration_samples(
        dataset, [load_artifact(path).manifest for path in models]
    )
    folder = cache_home() / "sent"
    path = folder / f"{dataset.sha256[:32]}.zip"
    with progress_bar() as progress:
        sent.write(dataset, path, progress=progress)
    digest = upload_of(path).sha256
    # Under its own digest: a job that waits needs these bytes, whatever is measured meanwhile.
    kept = path.replace(folder / f"{digest}.zip")
    return digest, kept


def _write_page(
    files: Sequence[Path], results: Sequence[Results], out: Path, *, force: bool
) -> None:
    """Say where the results are; of several boards write the page that shows them side by side."""
    from edgecnn.cli.screen.tables import print_results_path
    from edgecnn.reporting import write

    if len(files) == 1:
        print_results_path(files[0])
        return
    for path in files:
        click.echo(path)
    page = out.with_suffix(".html")
    if page.exists() and not force and not _is_report(page):
        click.echo(f"{page} holds something else and was left alone", err=True)
        return
    for written in write(list(results), page):
        click.echo(f"{written}: the boards side by side")


def _is_report(page: Path) -> bool:
    """Whether a file is a page that edgecnn made."""
    from edgecnn.errors import EdgeCNNError
    from edgecnn.reporting import extract

    try:
        return bool(extract.read_embedded(page))
    except EdgeCNNError:
        return False


def _file_for(board: Board, out: Path, *, alone: bool) -> Path:
    return out if alone else out.with_name(f"{out.stem}.{board.name}{out.suffix}")
