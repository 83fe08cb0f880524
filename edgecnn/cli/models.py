"""edgecnn models: the networks that edgecnn can build, and what each is made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli import options
from edgecnn.cli.screen.progress import progress_bar

if TYPE_CHECKING:
    from edgecnn.models.summary import ModelSummary


@click.command()
@click.argument("name", required=False, type=options.Name(options.buildable_names))
@click.option(
    "--input-shape",
    type=options.Numbers("x", "32x32x3"),
    help="Sizes of one sample, as in 32x32x3.",
)
@click.option("--classes", type=int, help="Number of classes.")
@click.option("--out", type=options.FILE, help="Draw the network: net.svg, net.png or net.html.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@options.force()
def command(
    *,
    name: str | None,
    input_shape: tuple[int, ...] | None,
    classes: int | None,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """List the networks, or show NAME layer by layer and draw it.

    Those of keras.applications are listed with what their weights were trained on; `edgecnn convert
    NAME --weights FILE` takes them with weights that you have.

    Memory is that of the float32 weights and of the largest activations, for one sample. The
    receptive field is that of a unit in the last feature maps, in pixels, words or samples of the
    input, padding included.
    """
    if name is None:
        if input_shape or classes or out:
            raise click.UsageError("--input-shape, --classes and --out need the NAME of a network")
        _list(as_json=as_json)
        return
    from edgecnn import models
    from edgecnn.files import refuse_overwrite
    from edgecnn.models import drawing
    from edgecnn.models.summary import summarize
    from edgecnn.registry import SEQUENCE_MODELS

    if name in SEQUENCE_MODELS.names():
        if out or classes or as_json:
            raise click.UsageError(
                f"{name} is a network for sequences: --classes, --out and --json are for others"
            )
        _print_parts(name, input_shape)
        return
    if out:
        drawing.check_ending(out)
        refuse_overwrite(out, force=force)
    chosen: dict[str, Any] = {"input_shape": input_shape, "num_classes": classes}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    model = models.outline(name, **chosen)
    summary = summarize(model)
    if as_json:
        click.echo(json.dumps(summary.to_dict(), indent=2))
    else:
        _print_layers(summary)
    if out:
        drawing.write(summary, out)
        click.echo(out, err=as_json)


def _list(*, as_json: bool) -> None:
    from edgecnn import models
    from edgecnn.models.summary import summarize
    from edgecnn.registry import SEQUENCE_MODELS

    names = options.network_names()
    summaries = []
    with progress_bar() as progress:
        for index, name in enumerate(names):
            progress("build", index, len(names), name)
            summaries.append((name, models.modality(name), summarize(models.outline(name))))
        progress("build", len(names), len(names), "")
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                key: value
                for key, value in {"modality": modality, **summary.to_dict(), "name": name}.items()
                if key != "layers"
            }
            for name, modality, summary in summaries
        ]
        click.echo(json.dumps([*rows, *_applications()], indent=2))
        return
    _print_table(
        ("network", "wants", "input", "parameters", "MACs", "weights", "+ between layers", "field"),
        [
            (
                name,
                modality,
                _times(summary.input_shape),
                f"{summary.parameters:,}",
                _work(summary.macs),
                _megabytes(summary.weight_bytes),
                _megabytes(summary.peak_activation_bytes),
                f"{summary.receptive_field:,}",
            )
            for name, modality, summary in summaries
        ],
        words=3,
    )
    click.echo(
        "\nAt each network's own input and classes; memory in float32, one sample. The field is "
        "what a unit\nof the last maps sees, in pixels, words or samples of the input.\n"
        "edgecnn models NAME shows the layers; --input-shape 32x32x3 --classes 43 changes them.\n"
    )
    _print_table(
        ("keras.applications", "input", "pixels as"),
        [
            (row["name"], _times(row["input_shape"]), row["preprocessing"])
            for row in _applications()
        ],
        words=3,
    )
    click.echo(
        "\nWith weights that you have: edgecnn convert NAME --weights FILE --to TARGET --out DIR; "
        "nothing is\ndownloaded. Pixels as: how the weights were trained (see --preprocessing)."
    )
    click.echo(f"Networks for sequences, as two graphs: {', '.join(SEQUENCE_MODELS.names())}.")


def _applications() -> list[dict[str, Any]]:
    """The networks of keras.applications; none of them is built to list them."""
    from edgecnn.models.applications import APPLICATIONS

    return [
        {
            "name": network.name,
            "modality": "image",
            "source": "keras.applications",
            "input_shape": list(network.input_shape),
            "preprocessing": network.preset,
        }
        for network in APPLICATIONS.values()
    ]


def _print_parts(name: str, input_shape: tuple[int, ...] | None) -> None:
    """The two graphs that a network for sequences is used as."""
    from edgecnn import models
    from edgecnn.sequences.parts import parts_of

    chosen: dict[str, Any] = {"input_shape": input_shape} if input_shape else {}
    model = models.outline(name, **chosen)
    parts = parts_of(model)
    rows = []
    for graph, when in ((parts.encoder, "once a sample"), (parts.step, "once for each id")):
        for kind, tensors in (("takes", graph.inputs), ("gives", graph.outputs)):
            names = [each.name for each in tensors]
            if graph is parts.step and kind == "gives":
                names = ["scores", "attention", *(f"new {state}" for state in parts.states)]
            if graph is parts.encoder and kind == "gives":
                names = list(parts.memory)
            for tensor_name, tensor in zip(names, tensors, strict=True):
                rows.append((graph.name, when, kind, tensor_name, _times(tensor.shape[1:])))
    _print_table(("graph", "runs", "", "tensor", "shape"), rows, words=4)
    click.echo(
        f"\n{name}: {model.count_params():,} parameters, {parts.encoder.count_params():,} in the "
        f"encoder and {parts.step.count_params():,} in the step; shapes without the batch"
    )


def _print_layers(summary: ModelSummary) -> None:
    _print_table(
        ("layer", "type", "", "output", "parameters", "MACs", "field"),
        [
            (
                layer.name,
                layer.kind,
                layer.details,
                _times(layer.output_shape),
                f"{layer.parameters:,}" if layer.parameters else "",
                _work(layer.macs) if layer.macs != 0 else "",
                f"{layer.receptive_field.size:,}",
            )
            for layer in summary.layers
        ],
        words=4,
    )
    click.echo(
        f"\n{summary.name}: {summary.parameters:,} parameters ({summary.trained_parameters:,} "
        f"trained), {_work(summary.macs)} MACs, {_megabytes(summary.memory_bytes)} in float32 "
        f"({_megabytes(summary.weight_bytes)} weights + "
        f"{_megabytes(summary.peak_activation_bytes)} between layers), "
        f"receptive field {summary.receptive_field:,}"
    )


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> None:
    """Columns of text, the first `words` flush left and the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _times(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def _work(macs: int | None) -> str:
    from edgecnn.models.drawing import short

    return "–" if macs is None else short(macs)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB"
