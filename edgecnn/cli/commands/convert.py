"""edgecnn convert: a model to TFLite and ONNX, float and quantized."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.verification import fed_text, parity_text

if TYPE_CHECKING:
    from edgecnn.conversion.outcome import ConversionOutcome


@click.command()
@click.argument("model", type=options.FILE)
@options.targets(required=True)
@click.option(
    "--calibration", type=options.Name(options.data_names), help="Data set that calibrates."
)
@click.option("--data-dir", type=options.FILE, help="Folder with the data set's files.")
@options.reading_options()
@options.preprocessing()
@options.weights()
@options.custom()
@options.about_model()
@options.shape()
@click.option("--samples", type=int, help="How many samples calibrate and verify.")
@options.seed("for drawing samples")
@click.option("--out", type=options.FILE, required=True, help="The folder for the artifacts.")
@options.allow_unsafe()
@options.force()
def command(
    *,
    model: Path,
    targets: tuple[str, ...],
    calibration: str | None,
    data_dir: Path | None,
    reading: options.ReadingOptions,
    preprocessing: str | None,
    weights: str | None,
    custom: tuple[Path, ...],
    head: str,
    labels: str,
    shape: str,
    samples: int | None,
    seed: int,
    out: Path,
    allow_unsafe: bool,
    force: bool,
) -> None:
    """Convert MODEL; every artifact is compared with it before it is kept.

    MODEL is a model of Keras 3 or Keras 2 (.keras, .h5), an architecture as JSON with --weights, a
    TensorFlow SavedModel (its folder), an ONNX or TFLite file, or the name of a network of
    keras.applications with --weights; `edgecnn models` lists those. The name of a detector that
    ships with edgecnn (stop_sign_small, stop_sign_nano) stands for its file. What it is, is seen by
    its content. ONNX becomes TFLite through onnx2tf: edgecnn env create onnx2tf.

    A target that fails is reported with its reason, and the others continue. What a format
    cannot express (3-D convolution in TFLite's integers, for example) is reported as unsupported,
    with the closest target, and is not a failure while others work.
    """
    from edgecnn.cli.datasets import load_optional
    from edgecnn.conversion.calibration import DEFAULT_SAMPLES
    from edgecnn.conversion.convert import convert
    from edgecnn.conversion.sources.kinds import located
    from edgecnn.errors import GateError

    about = options.model_options(head, labels, preprocessing)
    model = Path(located(model))
    data = options.DataOptions(calibration or "", data_dir, reading)
    dataset = load_optional(data, models=[model])
    with progress_bar() as progress:
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
            preprocessing=preprocessing,
            weights=weights,
            custom=custom,
            shape=shape,
            about=about,
        )
    _print_outcomes(outcomes)
    for outcome in outcomes:
        if outcome.bug is not None:  # the others are done and shown
            raise outcome.bug
    failed = [str(outcome.target) for outcome in outcomes if outcome.status == "failed"]
    if failed or not any(outcome.artifact for outcome in outcomes):
        failed = failed or [str(outcome.target) for outcome in outcomes]
        raise GateError(f"{len(failed)} of {len(outcomes)} targets failed: {', '.join(failed)}")


def _print_outcomes(outcomes: Sequence[ConversionOutcome]) -> None:
    shared = _shared_notes(outcomes)
    for outcome in outcomes:
        if outcome.artifact is None:
            click.echo(f"{outcome.target!s:<22} {outcome.status}: {outcome.error}")
            if outcome.hint:
                click.echo(f"{'':<22} → {outcome.hint}")
            continue
        line = f"{outcome.target!s:<22} {outcome.status:<9} {outcome.artifact.path}"
        click.echo(
            f"{line}  {outcome.artifact.size_bytes / 1e3:.0f} kB  {parity_text(outcome.parity)}"
        )
        click.echo(f"{'':<22} {fed_text(outcome.fed, outcome.artifact.manifest)}")
        if outcome.kept_in_float:
            click.echo(f"{'':<22} → {', '.join(outcome.kept_in_float)} stays float32")
        for note in outcome.notes:
            if note not in shared:
                click.echo(f"{'':<22} ! {note}")
    for note in (*shared, *_set_apart_notes(outcomes)):
        click.echo(f"! {note}")


def _set_apart_notes(outcomes: Sequence[ConversionOutcome]) -> tuple[str, ...]:
    """What is said where a part of the only split there is calibrated."""
    conversions = [outcome.artifact.manifest.conversion for outcome in outcomes if outcome.artifact]
    counts = {conversion.get("calibration", {}).get("set_apart") for conversion in conversions} - {
        None
    }
    return tuple(
        f"the data set has one split: {count} of its samples are held out for calibration and "
        "excluded from the accuracy of these files"
        for count in counts
    )


def _shared_notes(outcomes: Sequence[ConversionOutcome]) -> tuple[str, ...]:
    """What holds for every file that was made: said once."""
    notes_per_file = [outcome.notes for outcome in outcomes if outcome.artifact]
    if len(notes_per_file) < 2:
        return ()
    return tuple(
        note for note in notes_per_file[0] if all(note in notes for notes in notes_per_file)
    )
