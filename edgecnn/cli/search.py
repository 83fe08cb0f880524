"""edgecnn search: the network that fits, by trials that are measured on the target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.benchmark import board_names
from edgecnn.cli.options.data import ReadingOptions
from edgecnn.cli.screen import timeline
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned

if TYPE_CHECKING:
    from edgecnn.search.outcome import SearchOutcome

LISTED = 8


@click.command(cls=Sectioned)
@options.model(required=True)
@options.data(required=True)
@click.option("--space", type=options.FILE, help="TOML file that changes what may be chosen.")
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
@click.option("--max-latency", metavar="TIME", help="Median latency, as in 10ms.")
@click.option("--max-memory", metavar="SIZE", help="Peak memory, as in 50MB.")
@click.option("--max-size", metavar="SIZE", help="Size of the file, as in 200kB.")
@options.defaulted(
    "--objectives",
    default_text="accuracy,latency",
    help="What steers the trials: accuracy with latency, size or memory.",
)
@click.option(
    "--objective",
    type=click.Choice(["accuracy", "latency", "size", "memory"]),
    help="What the winner is best at [accuracy with a limit, else latency at no less accuracy].",
)
@click.option(
    "--max-drop",
    metavar="POINTS",
    help="Percentage points that the winner may lose against the first trial.",
)
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
    type=options.Name(board_names),
    default="",
    help="Board to measure on over SSH: a name, a tag or ssh://user@host.",
)
@options.defaulted("--workers", type=int, default_text="1", help="Trials at the same time.")
@click.option(
    "--trial-threads",
    type=int,
    help="Threads of each training [cores over workers; in a cluster all cores].",
)
@click.option("--cluster", default="", metavar="ADDRESS", help="Dask scheduler, tcp://host:8786.")
@click.option("--tls-ca", type=options.FILE, help="Certificate authority of the cluster.")
@click.option("--tls-cert", type=options.FILE, help="Certificate to show to the cluster.")
@click.option("--tls-key", type=options.FILE, help="Key of that certificate.")
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
    data: str,
    data_dir: Path | None,
    reading: ReadingOptions,
    space: Path | None,
    changes: tuple[str, ...],
    list_space: bool,
    trials: int | None,
    timeout: str | None,
    epochs: int | None,
    final_epochs: int | None,
    max_latency: str | None,
    max_memory: str | None,
    max_size: str | None,
    objectives: str | None,
    objective: str | None,
    max_drop: str | None,
    runtime: str | None,
    target: str,
    threads: int | None,
    on: str,
    workers: int | None,
    trial_threads: int | None,
    cluster: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
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

    Exit code 1 when nothing keeps the limits: how near the nearest came is printed then.
    """
    from edgecnn.benchmarking.protocol import parse_duration
    from edgecnn.cli.datasets import load_data
    from edgecnn.cli.screen.messages import say
    from edgecnn.errors import GateError, InputError
    from edgecnn.files import write_text_atomically
    from edgecnn.optimization.goal import parse_latency, parse_points, parse_size
    from edgecnn.registry import check_trained
    from edgecnn.search.crew import Cluster
    from edgecnn.search.page import render
    from edgecnn.search.search import search
    from edgecnn.search.settings import PAGE_FILE, DataName, SearchSettings
    from edgecnn.search.space import space_for
    from edgecnn.search.trials import SearchGoal

    check_trained(model)
    settings = SearchSettings(
        model=model,
        data=DataName(data, data_dir, seed, reading.strict, reading.classes, reading.exif),
        wanted=SearchGoal(
            **options.given(objectives=_names(objectives)),
            max_latency_ms=parse_latency(max_latency) if max_latency else None,
            max_size_bytes=parse_size(max_size, "--max-size") if max_size else None,
            max_memory_bytes=parse_size(max_memory, "--max-memory") if max_memory else None,
            choice=objective or "",
            max_drop=(0.0 if max_drop.strip(" 0.%") == "" else parse_points(max_drop))
            if max_drop
            else None,
        ),
        target=target,
        on=on,
        timeout_secs=parse_duration(timeout) if timeout else None,
        epochs=epochs,
        final_epochs=final_epochs,
        seed=seed,
        cluster=Cluster(
            address=cluster,
            ca=tls_ca,
            certificate=tls_cert,
            key=tls_key,
            **options.given(workers=workers),
        ),
        trial_threads=trial_threads,
        **options.given(
            runtime=runtime, threads=threads, trials=trials, sampler=sampler, pruning=pruning
        ),
    )
    dataset = load_data(data, data_dir=data_dir, seed=seed, reading=reading)
    chosen = space_for(model, dataset, file=space, changes=changes)
    if list_space:
        for parameter in chosen.parameters:
            click.echo(f"{parameter.name}: {parameter.to_dict()}")
        return
    if out is None:
        raise InputError("--out is missing", hint="give a folder for files and report")
    options.claim(out)

    def write_page(outcome: SearchOutcome) -> None:
        write_text_atomically(out / PAGE_FILE, render(outcome))

    with progress_bar() as progress:
        outcome = search(
            settings,
            chosen,
            dataset,
            out,
            force=force,
            say=say,
            on_end=write_page,
            progress=progress,
        )
    _print(outcome)
    click.echo(f"report: {out / PAGE_FILE}")
    timeline.tell(len(outcome.complete))
    if outcome.winner is None:
        raise GateError(
            outcome.sentences[0],
            hint="the lines above say how near the nearest came; relax a limit or try more trials",
        )


def _print(outcome: SearchOutcome) -> None:
    for sentence in outcome.sentences:
        click.echo(sentence)
    for each in outcome.front[:LISTED]:
        mark = "→" if outcome.winner and outcome.winner.trial.number == each.number else " "
        click.echo(f"{mark} trial {each.number:<4} {each.p50:>9.4g} ms  {each.accuracy:.2%}")
    if outcome.winner is not None:
        click.echo(f"model: {outcome.winner.model}; file: {outcome.winner.artifact}")


def _names(text: str | None) -> tuple[str, ...] | None:
    """The names in a list with commas; None for one that was not passed."""
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip())
