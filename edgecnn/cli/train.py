"""edgecnn train: a model of the registry on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecnn.cli import options
from edgecnn.cli.progress import shown


@click.command()
@options.model(required=True)
@options.data(required=True)
@click.option("--epochs", type=int, help="Epochs at most; by default chosen from the data's size.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and splits.")
@click.option("--batch-size", type=int, help="Samples a step.")
@click.option("--learning-rate", type=float, help="Largest learning rate.")
@click.option("--out", type=options.FILE, required=True, help="The .keras file to write.")
@options.force()
def command(
    *,
    model: str,
    data: str,
    data_dir: Path | None,
    epochs: int | None,
    seed: int,
    batch_size: int | None,
    learning_rate: float | None,
    out: Path,
    force: bool,
) -> None:
    """Train a model and write it with its manifest."""
    from edgecnn.data import load
    from edgecnn.errors import InputError
    from edgecnn.files import refuse_overwrite
    from edgecnn.registry import MODELS
    from edgecnn.training import train

    if out.suffix != ".keras":
        raise InputError(f"--out takes a .keras file, received: {out}")
    refuse_overwrite(out, force=force)
    MODELS.check(model)
    given: dict[str, Any] = {"batch_size": batch_size, "learning_rate": learning_rate}
    dataset = load(data, data_dir=data_dir, seed=seed)
    with shown() as progress:
        artifact = train(
            model,
            dataset,
            out=out,
            epochs=epochs,
            seed=seed,
            progress=progress,
            **{name: value for name, value in given.items() if value is not None},
        )
    click.echo(f"{out}: {artifact.size_bytes / 1e3:.0f} kB")
    for name, value in artifact.manifest.metrics.items():
        click.echo(f"  {name:<20} {value:.4f}")
