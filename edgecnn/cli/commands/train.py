"""edgecnn train: a model of the registry on a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgecnn.cli import options
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned


@click.command(cls=Sectioned)
@options.model(required=True)
@options.data(required=True)
@options.epochs()
@options.seed("of weights and splits")
@click.option(
    "--split-seed", type=int, help="Seed of the split alone, recorded with the model [--seed]."
)
@click.option("--input-size", type=int, help="Side of the images that the network takes.")
@click.option(
    "--weights",
    help="Start from the weights of a .keras file of the same network, or of a shipped detector.",
)
@click.option(
    "--cutouts",
    help="More annotated images, as --data: their objects are cut out and pasted, those without "
    "an object are negatives.",
)
@options.training_config()
@click.option("--out", type=options.FILE, required=True, help="The .keras file to write.")
@click.option(
    "--restart",
    is_flag=True,
    help="Start over; do not resume from the checkpoint next to --out.",
)
@options.force()
def command(
    *,
    model: str,
    data: options.DataOptions,
    epochs: int | None,
    seed: int,
    split_seed: int | None,
    input_size: int | None,
    weights: str | None,
    cutouts: str | None,
    config: dict[str, Any],
    out: Path,
    restart: bool,
    force: bool,
) -> None:
    """Train a model and write it with its manifest.

    Options of the training that are not given are the network's own; the manifest records
    them all. MODEL.training/ next to --out holds a checkpoint, log.csv, TensorBoard events and
    images. After a kill, run the same command again to resume from the checkpoint.
    """
    from edgecnn.cli.datasets import load_data
    from edgecnn.errors import InputError
    from edgecnn.registry import check_trained
    from edgecnn.training import train

    if out.suffix != ".keras":
        raise InputError(f"--out takes a .keras file, received: {out}")
    options.claim_new_file(out, force=force)
    check_trained(model)
    seed_of_split = seed if split_seed is None else split_seed
    dataset = load_data(data, seed=seed_of_split)
    more = None
    if cutouts is not None:
        more = load_data(replace(data, name=cutouts, data_dir=None), seed=seed_of_split)
    folder = out.with_suffix(".training")
    with progress_bar() as progress:
        artifact = train(
            model,
            dataset,
            out=out,
            epochs=epochs,
            seed=seed,
            input_size=input_size,
            folder=folder,
            restart=restart,
            weights=weights,
            cutouts=more,
            progress=progress,
            **config,
        )
    click.echo(f"{out}: {artifact.size_bytes / 1e3:.0f} kB; logs and images in {folder}")
    for name, value in artifact.manifest.metrics.items():
        click.echo(f"  {name:<20} {value:.4f}")
