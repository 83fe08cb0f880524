"""edgecnn verify: artifacts against their parent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.verification import fed_text, parity_text

if TYPE_CHECKING:
    from edgecnn.conversion.verification.verify import Verification

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
                **options.without_none(max_drop=max_drop),
            )
        _print(path.name, verification)
        if not verification.passed:
            failed.append(path.name)
    if failed:
        raise GateError(f"the gate failed for {', '.join(failed)}")


def _print(name: str, verification: Verification) -> None:
    """Whether an artifact passed, how it was compared, and the layers that cost it most."""
    mark = "pass" if verification.passed else "FAIL"
    click.echo(f"{mark}  {name:<28} {_gate_text(verification)}")
    click.echo(f"      {parity_text(verification.parity)}")
    for note in verification.gate.notes if verification.gate else ():
        click.echo(f"      {note}")
    click.echo(f"      {fed_text(verification.fed)}")
    for layer in verification.layers[:COSTLIEST]:
        click.echo(
            f"      {layer.share:4.0%} of the noise added by {layer.name} ({layer.operator}), "
            f"SNR {layer.snr_db:.1f} dB behind it"
        )


def _gate_text(verification: Verification) -> str:
    if verification.gate is None:
        return "no labels, no accuracy gate"
    accuracy = verification.accuracy
    metric = f"{accuracy.metric} " if accuracy is not None and accuracy.metric != "top1" else ""
    return metric + verification.gate.reason
