"""edgecnn search: the network that fits, by trials that are measured on the target."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.options.searching import (
    ObjectiveOptions,
    WorkerOptions,
    search_objectives,
    search_workers,
)
from edgecnn.cli.screen import timeline
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned

if TYPE_CHECKING:
    from edgecnn.search.outcome import SearchOutcome
    from edgecnn.search.settings import DataName
    from edgecnn.search.space import SearchSpace

LISTED = 8


@click.command(cls=Sectioned)
@options.model(required=True)
@options.data(required=True)
@click.option("--space", type=options.FILE, help="TOML file that overrides the search space.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUES",
    help="Change one parameter of the space: width=0.25..1.0, kernel=3,5, dropout=0.2; repeatable.",
)
@click.option("--list-space", is_flag=True, help="Print the space and do nothing else.")
@options.defaulted("--trials", type=int, default_text="30", help="How many to try.")
@click.option("--timeout", metavar="TIME", help="Begin no trial after this time, as in 30m.")
@click.option("--epochs", type=int, help="Epochs of a trial; by default the network's own.")
@click.option(
    "--final-epochs", type=int, help="Epochs of the winner; by default the network's own."
)
@options.limits(size="200kB")
@search_objectives()
@options.defaulted(
    "--runtime",
    default_text="litert:cpu",
    help="Where to measure, as in onnxruntime:cpu.",
)
@click.option(
    "--to", "target", default="", help="What to convert to [int8 of the runtime's format]."
)
@options.defaulted("--threads", type=int, default_text="1", help="Threads of the runtime.")
@click.option(
    "--on",
    type=options.Name(options.board_names),
    default="",
    help="Board to measure on over SSH: a name, a tag or ssh://user@host.",
)
@search_workers()
@options.defaulted("--sampler", default_text="tpe", help="What draws trials: tpe or random.")
@options.defaulted(
    "--pruning", default_text="median", help="What ends trials early: median or none."
)
@options.seed("of draws and weights")
@click.option("--out", type=options.FILE, help="The folder for files and report.")
@options.force()
def command(
    *,
    model: str,
    data: options.DataOptions,
    space: Path | None,
    changes: tuple[str, ...],
    list_space: bool,
    trials: int | None,
    timeout: str | None,
    epochs: int | None,
    final_epochs: int | None,
    limits: options.LimitOptions,
    objectives: ObjectiveOptions,
    runtime: str | None,
    target: str,
    threads: int | None,
    on: str,
    workers: WorkerOptions,
    sampler: str | None,
    pruning: str | None,
    seed: int,
    out: Path | None,
    force: bool,
) -> None:
    """Search for the network, and how to train it, that fits a machine.

    Trials are trained, converted to int8 and measured on the target; the first is the network as
    its paper has it. Trials see the training and validation splits; the winner is trained once
    more and tested once. Trials are kept in the database of results (EDGECNN_DB). Run the same
    command again to resume, after Ctrl-C or a kill.

    Exits with 1 if no trial meets the limits, and prints the closest one.
    """
    from edgecnn.benchmarking.protocol import parse_duration
    from edgecnn.cli.datasets import load_data
    from edgecnn.cli.screen.messages import say
    from edgecnn.errors import InputError
    from edgecnn.registry import check_trained
    from edgecnn.search.search import search
    from edgecnn.search.settings import PAGE_FILE, SearchSettings
    from edgecnn.search.space import space_for

    check_trained(model)
    settings = SearchSettings(
        model=model,
        data=_data_name(data, seed),
        wanted=objectives.goal(limits),
        target=target,
        on=on,
        timeout_secs=parse_duration(timeout) if timeout else None,
        epochs=epochs,
        final_epochs=final_epochs,
        seed=seed,
        cluster=workers.resolve(),
        trial_threads=workers.trial_threads,
        **options.without_none(
            runtime=runtime, threads=threads, trials=trials, sampler=sampler, pruning=pruning
        ),
    )
    dataset = load_data(data, seed=seed)
    chosen = space_for(model, dataset, file=space, changes=changes)
    if list_space:
        _print_space(chosen)
        return
    if out is None:
        raise InputError("--out is missing", hint="give a folder for files and report")
    options.claim(out)
    page = out / PAGE_FILE
    with progress_bar() as progress:
        outcome = search(
            settings,
            chosen,
            dataset,
            out,
            force=force,
            say=say,
            on_end=functools.partial(_write_page, page),
            progress=progress,
        )
    _print(outcome)
    click.echo(f"report: {page}")
    timeline.print_summary(len(outcome.complete))
    _require_a_winner(outcome)


def _print_space(space: SearchSpace) -> None:
    for parameter in space.parameters:
        click.echo(f"{parameter.name}: {parameter.to_dict()}")


def _data_name(data: options.DataOptions, seed: int) -> DataName:
    from edgecnn.search.settings import DataName

    reading = data.reading
    return DataName(data.name, data.data_dir, seed, reading.strict, reading.classes, reading.exif)


def _write_page(page: Path, outcome: SearchOutcome) -> None:
    from edgecnn.files import write_text_atomically
    from edgecnn.search.page import render

    write_text_atomically(page, render(outcome))


def _print(outcome: SearchOutcome) -> None:
    for sentence in outcome.sentences:
        click.echo(sentence)
    for each in outcome.front[:LISTED]:
        mark = "→" if outcome.winner and outcome.winner.trial.number == each.number else " "
        click.echo(f"{mark} trial {each.number:<4} {each.p50:>9.4g} ms  {each.accuracy:.2%}")
    if outcome.winner is not None:
        click.echo(f"model: {outcome.winner.model}; file: {outcome.winner.artifact}")


def _require_a_winner(outcome: SearchOutcome) -> None:
    from edgecnn.errors import GateError

    if outcome.winner is None:
        raise GateError(
            outcome.sentences[0],
            hint="see the closest trial above; relax a limit or try more trials",
        )
