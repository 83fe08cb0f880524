"""edgecnn convert: a .keras file to TFLite and ONNX, float and quantized."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli import options
from edgecnn.cli.datasets import Reading, reading_options
from edgecnn.cli.progress import shown


@click.command()
@click.argument("model", type=options.FILE)
@options.targets(required=True)
@click.option(
    "--calibration", type=options.Name(options.data_names), help="Data set that calibrates."
)
@click.option("--data-dir", type=options.FILE, help="Where the data set's files lie.")
@reading_options()
@click.option("--samples", type=int, help="How many samples calibrate and verify.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed that draws samples.")
@click.option("--out", type=options.FILE, required=True, help="The folder for the artifacts.")
@options.allow_unsafe()
@options.force()
def command(
    *,
    model: Path,
    targets: tuple[str, ...],
    calibration: str | None,
    data_dir: Path | None,
    reading: Reading,
    samples: int | None,
    seed: int,
    out: Path,
    allow_unsafe: bool,
    force: bool,
) -> None:
    """Convert MODEL (.keras); every artifact is compared with it before it is kept.

    A target that fails is told with its reason, and the others go on. What a format cannot
    express (3-D convolution in TFLite's integers, say) is told as unsupported, with the closest
    target, and is no failure while others work.
    """
    from edgecnn.cli.datasets import load_data
    from edgecnn.conversion.calibration import DEFAULT_SAMPLES
    from edgecnn.conversion.convert import convert
    from edgecnn.errors import GateError

    dataset = load_data(calibration, data_dir=data_dir, reading=reading) if calibration else None
    with shown() as progress:
        outcomes = convert(
            model,
            targets,
            calibration=dataset,
            out=out,
            samples=samples or DEFAULT_SAMPLES,
            seed=seed,
            force=force,
            progress=progress,
            allow_unsafe=allow_unsafe,
        )
    for outcome in outcomes:
        if outcome.artifact is None:
            click.echo(f"{outcome.target!s:<22} {outcome.status}: {outcome.error}")
            if outcome.hint:
                click.echo(f"{'':<22} → {outcome.hint}")
            continue
        line = f"{outcome.target!s:<22} {outcome.status:<9} {outcome.artifact.path}"
        click.echo(f"{line}  {outcome.artifact.size_bytes / 1e3:.0f} kB  {told(outcome.parity)}")
        if outcome.kept_in_float:
            click.echo(f"{'':<22} → {', '.join(outcome.kept_in_float)} stays float32")
    failed = [str(outcome.target) for outcome in outcomes if outcome.status == "failed"]
    if failed or not any(outcome.artifact for outcome in outcomes):
        failed = failed or [str(outcome.target) for outcome in outcomes]
        raise GateError(f"{len(failed)} of {len(outcomes)} targets failed: {', '.join(failed)}")


def told(parity: object) -> str:
    """Parity in a few words."""
    from edgecnn.results import Parity

    if not isinstance(parity, Parity):
        return ""
    snr = "identical" if parity.snr_db is None else f"SNR {parity.snr_db:.1f} dB"
    agreement = parity.top1_agreement
    same = "" if agreement is None else f", top-1 agrees {agreement:.2%}"
    return f"max error {parity.max_abs_error:.2g}, {snr}{same}"
