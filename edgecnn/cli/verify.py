"""edgecnn verify: artifacts against their parent."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli import options
from edgecnn.cli.convert import fed_text, parity_text
from edgecnn.cli.screen.progress import progress_bar

COSTLIEST = 3
"""Layers that are named."""


@click.command()
@click.argument("artifacts", nargs=-1, required=True, type=options.FILE)
@click.option("--parent", type=options.FILE, help="The model they were made from.")
@options.data(help="Data set whose test split gives samples and labels; noise without it.")
@options.defaulted(
    "--max-drop",
    type=float,
    default_text="1.0",
    help="Percentage points of accuracy that an artifact may lose.",
)
@click.option("--layers", is_flag=True, help="Name the layers that lose most, for every artifact.")
@options.preprocessing()
@options.about_model()
@options.shape()
@options.weights()
@options.custom()
@options.allow_unsafe()
def command(
    *,
    artifacts: tuple[Path, ...],
    parent: Path | None,
    data: options.DataOptions,
    max_drop: float | None,
    layers: bool,
    preprocessing: str | None,
    head: str,
    labels: str,
    shape: str,
    weights: str | None,
    custom: tuple[Path, ...],
    allow_unsafe: bool,
) -> None:
    """Compare ARTIFACTS with the model they were made from; exit code 1 when one lost too much.

    The layers that cost most are named for an artifact that fails.
    """
    from edgecnn.cli.datasets import load_optional
    from edgecnn.conversion.verification.verify import verify_artifact
    from edgecnn.errors import GateError
    from edgecnn.manifest import without_sidecars

    about = options.model_options(head, labels, preprocessing)
    artifacts = without_sidecars(artifacts) or artifacts
    dataset = load_optional(data, models=artifacts)
    failed = []
    for index, path in enumerate(artifacts):
        with progress_bar() as progress:
            progress("verify", index, len(artifacts), path.name)
            verification = verify_artifact(
                path,
                parent=parent,
                dataset=dataset,
                layers=layers,
                allow_unsafe=allow_unsafe,
                preprocessing=preprocessing,
                shape=shape,
                about=about,
                weights=weights,
                custom=custom,
                **options.given(max_drop=max_drop),
            )
        answer = "no labels, no accuracy gate"
        if verification.gate is not None:
            scored = verification.accuracy is not None and verification.accuracy.metric != "top1"
            metric = f"{verification.accuracy.metric} " if scored and verification.accuracy else ""
            answer = metric + verification.gate.reason
        mark = "pass" if verification.passed else "FAIL"
        click.echo(f"{mark}  {path.name:<28} {answer}")
        click.echo(f"      {parity_text(verification.parity)}")
        for note in verification.gate.notes if verification.gate else ():
            click.echo(f"      {note}")
        click.echo(f"      {fed_text(verification.fed, None)}")
        for layer in verification.layers[:COSTLIEST]:
            click.echo(
                f"      {layer.share:4.0%} of the noise added by {layer.name} ({layer.operator}), "
                f"SNR {layer.snr_db:.1f} dB behind it"
            )
        if not verification.passed:
            failed.append(path.name)
    if failed:
        raise GateError(f"the gate failed for {', '.join(failed)}")
