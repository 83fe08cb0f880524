"""edgecnn explain: what a network sees in an image, and whether it still does when it moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from edgecnn.cli import options
from edgecnn.cli.screen.progress import progress_bar

WITH_TEXT = ("files", "text", "out", "force")
"""What --text goes together with; the other options are for images."""


class Shifts(click.ParamType[Any]):
    """Whole numbers as a list (0,2,4) or a range with both ends (0..8)."""

    name = "shifts"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        first, dots, last = str(value).partition("..")
        try:
            if dots:
                shifts = tuple(range(int(first), int(last) + 1))
            else:
                shifts = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            shifts = ()
        if not shifts:
            self.fail(f"expected shifts such as 0..8 or 0,2,4; received: {value}", param, ctx)
        return shifts


@click.command()
@click.argument("files", nargs=-1, required=True, type=options.FILE, metavar="MODEL… [IMAGE]")
@options.data(
    classes=False,
    help="Data set whose test images are shifted; the first is shown if none is named.",
)
@click.option(
    "--shifts",
    type=Shifts(),
    default=(),
    show_default="0..8",
    help="Pixels to move by, as in 0..8 or 0,2,4.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=None,
    show_default="400",
    help="Images to move, at most.",
)
@click.option(
    "--classes", type=options.Names(list), default=(), help="Classes that Grad-CAM looks for."
)
@click.option(
    "--top",
    type=click.IntRange(1, 12),
    default=3,
    show_default=True,
    help="Without --classes: how many of the best.",
)
@click.option("--text", help="A sentence instead of an image, for a model that answers with one.")
@click.option("--layer", help="Where Grad-CAM is taken; by default the deepest map of 4×4 or more.")
@click.option(
    "--out",
    type=options.FILE,
    multiple=True,
    default=[Path("explain.html")],
    show_default="explain.html",
    help="Write page.html, poster.png, numbers.json or shifts.csv; may be repeated.",
)
@options.preprocessing()
@click.option(
    "--labels",
    default="",
    metavar="FILE",
    help="Names of the model's classes, if the file does not contain them: a text file with one "
    "name a line.",
)
@options.shape()
@options.allow_unsafe()
@options.force()
def command(
    *,
    files: tuple[Path, ...],
    data: options.DataOptions,
    shifts: tuple[int, ...],
    samples: int | None,
    classes: tuple[str, ...],
    top: int,
    layer: str | None,
    text: str | None,
    out: Sequence[Path],
    preprocessing: str | None,
    labels: str,
    shape: str,
    allow_unsafe: bool,
    force: bool,
) -> None:
    """Show what MODEL sees in IMAGE: filters, feature maps, receptive fields, Grad-CAM, colors.

    With --data: accuracy against how far the images are moved. Further models of the same
    parent (.tflite, .onnx) are measured with the first, so that the page shows what quantizing
    does to it. A file that is not a Keras model has no gradients: occlusion shows where it looks,
    and its operators are listed.

    With --text, MODEL is a sequence model: its attention to each subword, and how many it sees.
    """
    if text is not None:
        _explain_sentence(files, text, out, force=force)
        return
    from edgecnn.cli.datasets import load_optional
    from edgecnn.explanation.explain import explain
    from edgecnn.explanation.files import read_image, sort_files
    from edgecnn.explanation.write import check_ending, write
    from edgecnn.feeding.choice import check_option

    check_option(preprocessing)
    _claim_outputs(out, check_ending, force=force)
    models, image = sort_files(files)
    decoded = read_image(image) if image else None
    dataset = load_optional(data, models=models)
    with progress_bar() as progress:
        explanation = explain(
            models[0],
            decoded,
            image_name=image.name if image else "",
            others=models[1:],
            dataset=dataset,
            shifts=shifts,
            samples=samples,
            classes=classes,
            top=top,
            layer=layer,
            allow_unsafe=allow_unsafe,
            preprocessing=preprocessing,
            shape=shape,
            labels=options.label_names(labels),
            progress=progress,
        )
    click.echo(explanation.subject.fed.sentence)
    for warning in explanation.invalid:
        click.echo(f"INVALID: {warning}", err=True)
    for path in out:
        write(explanation, path)
        click.echo(path)


def _explain_sentence(
    files: tuple[Path, ...], text: str, out: Sequence[Path], *, force: bool
) -> None:
    """The part of the command that --text asks for."""
    from edgecnn.errors import InputError
    from edgecnn.explanation.sentences import check_ending, explain_sentence, write

    if len(files) != 1:
        raise InputError(f"--text explains one model, received {len(files)} files")
    if others := _image_options():
        raise InputError(
            f"{', '.join(others)}: for images, and --text explains a sentence",
            hint="leave out --text, or these options",
        )
    _claim_outputs(out, check_ending, force=force)
    explanation = explain_sentence(files[0], text)
    click.echo(explanation.translation.text)
    click.echo(explanation.field)
    for warning in explanation.translation.warnings:
        click.echo(warning, err=True)
    for path in out:
        write(explanation, path)
        click.echo(path)


def _claim_outputs(
    out: Sequence[Path], check_ending: Callable[[Path], object], *, force: bool
) -> None:
    from edgecnn.files import refuse_overwrite

    options.claim(*out)
    for path in out:
        check_ending(path)
        refuse_overwrite(path, force=force)


def _image_options() -> list[str]:
    """The options on this command line that are for images only."""
    from click.core import ParameterSource

    context = click.get_current_context()
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.expose_value
        and parameter.name not in WITH_TEXT
        and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
