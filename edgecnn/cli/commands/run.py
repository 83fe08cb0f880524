"""edgecnn run: everything in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli import options, repetition
from edgecnn.cli.commands import benchmark
from edgecnn.cli.screen import timeline
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned

if TYPE_CHECKING:
    from edgecnn.benchmarking.protocol import Protocol
    from edgecnn.data.base import Dataset
    from edgecnn.pipeline import RunOutcome

QUICK_ROW_SECS = 1.6
"""Of two dozen rows, for an answer within two minutes also where a neighbor keeps every process
sampling to the end of its part."""


@click.command(cls=Sectioned)
@options.model(default="lenet5", show_default=True)
@options.data(default="digits", show_default=True)
@options.epochs()
@options.seed("of weights and splits")
@options.targets(default="all", show_default=True)
@options.runtimes()
@options.protocol(default="default", quick_row_secs=QUICK_ROW_SECS)
@click.option(
    "--out",
    type=options.FILE,
    default=Path("runs/latest"),
    show_default=True,
    help="The folder for the model, artifacts, results and reports.",
)
@options.force()
def command(
    *,
    model: str,
    data: options.DataOptions,
    epochs: int | None,
    seed: int,
    targets: tuple[str, ...],
    runtimes: tuple[str, ...],
    protocol: Protocol,
    threads: tuple[int, ...],
    out: Path,
    force: bool,
) -> None:
    """Train, convert, verify, benchmark, report, and say which file to ship.

    Run it again with the same --out to resume an interrupted run; --force starts over.
    """
    from edgecnn.cli.datasets import load_data
    from edgecnn.cli.screen.tables import show
    from edgecnn.pipeline import PipelineSettings, run

    options.claim(out)
    settings = PipelineSettings(
        model=model,
        data=data.name,
        data_dir=data.data_dir,
        seed=seed,
        epochs=epochs,
        targets=targets,
        runtimes=runtimes,
        threads=threads,
        protocol=protocol,
    )

    def load(name: str, *, data_dir: Path | None, **others: Any) -> Dataset:
        return load_data(options.DataOptions(name, data_dir, data.reading), **others)

    with progress_bar() as progress:
        outcome = run(
            settings,
            out,
            force=force,
            command=options.command_line(),
            repeat=repetition.shared_words(benchmark.command),
            load=load,
            progress=progress,
        )
    show([outcome.results])
    timeline.print_summary(len(outcome.results.measurements))
    for path in (out / "results.json", *outcome.reports):
        click.echo(path)
    _print_answer(outcome)


def _print_answer(outcome: RunOutcome) -> None:
    """Which of the files to ship, why, and what runs it."""
    if outcome.answer is None:
        click.echo("no answer: no measured row can be compared with the model")
        return
    click.echo("")
    for sentence in (*outcome.answer.sentences, *outcome.answer.ways_out):
        click.echo(sentence)
    if outcome.no_bundle:
        click.echo(f"no bundle of it: {outcome.no_bundle}")
    if outcome.bundle is not None:
        name = next(outcome.bundle.glob("*/bundle.json")).parent.name
        what = "bundle of one that may be as fast" if outcome.no_bundle else "bundle"
        click.echo(f"{what}: {outcome.bundle} (there: python -m {name} --self-test)")
