"""edgecnn run: everything in one go."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli import options
from edgecnn.cli.progress import shown


@click.command()
@options.model(default="lenet5", show_default=True)
@options.data(default="digits", show_default=True)
@click.option("--epochs", type=int, help="Epochs at most; by default chosen from the data's size.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and splits.")
@options.targets(default="all", show_default=True)
@options.runtimes()
@options.protocol(default="default")
@click.option("--quick", is_flag=True, help="The same as --profile quick.")
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
    data: str,
    data_dir: Path | None,
    epochs: int | None,
    seed: int,
    targets: tuple[str, ...],
    runtimes: tuple[str, ...],
    profile: str,
    min_secs: float | None,
    min_runs: int | None,
    max_secs: float | None,
    processes: int | None,
    threads: tuple[int, ...],
    quick: bool,
    out: Path,
    force: bool,
) -> None:
    """Train, convert, verify, benchmark and report, in one go.

    Given again with the same --out, an interrupted run goes on where it stopped.
    """
    from edgecnn.benchmarking.protocol import resolve
    from edgecnn.cli.tables import show
    from edgecnn.pipeline import Settings, run

    protocol = resolve(
        "quick" if quick else profile,
        min_secs=min_secs,
        min_runs=min_runs,
        max_secs=max_secs,
        processes=processes,
    )
    settings = Settings(
        model=model,
        data=data,
        data_dir=data_dir,
        seed=seed,
        epochs=epochs,
        targets=targets,
        runtimes=runtimes,
        threads=threads,
        protocol=protocol,
    )
    with shown() as progress:
        outcome = run(settings, out, force=force, command=options.as_typed(), progress=progress)
    show([outcome.results])
    for path in (out / "results.json", *outcome.reports):
        click.echo(path)
