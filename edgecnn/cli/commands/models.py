"""edgecnn models: the networks that edgecnn can build, and what each is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    sizes = options.without_none(input_shape=input_shape, num_classes=classes)
    summary = summarize(models.outline(name, **sizes))
    if as_json:
        click.echo(json.dumps(summary.to_dict(), indent=2))
    else:
        _print_layers(summary)
    if out:
        drawing.write(summary, out)
        click.echo(out, err=as_json)


def _list(*, as_json: bool) -> None:
    networks = _summaries()
    if as_json:
        rows = [_network_record(name, summary) for name, summary in networks.items()]
        click.echo(json.dumps([*rows, *_applications()], indent=2))
        return
    _print_networks(networks)
    _print_applications()
    _print_sequence_models()


def _summaries() -> dict[str, ModelSummary]:
    """Every network of edgecnn at its own input and classes, by name."""
    from edgecnn import models
    from edgecnn.models.summary import summarize

    names = options.network_names()
    summaries = {}
    with progress_bar() as progress:
        for index, name in enumerate(names):
            progress("build", index, len(names), name)
            summaries[name] = summarize(models.outline(name))
        progress("build", len(names), len(names), "")
    return summaries


def _network_record(name: str, summary: ModelSummary) -> dict[str, Any]:
    """A network for --json, without its layers."""
    from edgecnn import models

    record = {"modality": models.modality(name), **summary.to_dict(), "name": name}
    return {key: value for key, value in record.items() if key != "layers"}


def _print_networks(networks: Mapping[str, ModelSummary]) -> None:
    from edgecnn import models

    _print_table(
        ("network", "wants", "input", "parameters", "MACs", "weights", "+ between layers", "field"),
        [
            (
                name,
                models.modality(name),
                _format_shape(summary.input_shape),
                f"{summary.parameters:,}",
                _format_macs(summary.macs),
                _format_megabytes(summary.weight_bytes),
                _format_megabytes(summary.peak_activation_bytes),
                f"{summary.receptive_field:,}",
            )
            for name, summary in networks.items()
        ],
        left_columns=3,
    )
    click.echo(
        "\nAt each network's own input and classes; memory in float32, one sample. The field is "
        "what a unit\nof the last maps sees, in pixels, words or samples of the input.\n"
        "edgecnn models NAME shows the layers; --input-shape 32x32x3 --classes 43 changes them.\n"
    )


def _print_applications() -> None:
    _print_table(
        ("keras.applications", "input", "pixels as"),
        [
            (row["name"], _format_shape(row["input_shape"]), row["preprocessing"])
            for row in _applications()
        ],
        left_columns=3,
    )
    click.echo(
        "\nWith weights that you have: edgecnn convert NAME --weights FILE --to TARGET --out DIR; "
        "nothing is\ndownloaded. Pixels as: how the weights were trained (see --preprocessing)."
    )


def _print_sequence_models() -> None:
    from edgecnn.registry import SEQUENCE_MODELS

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
    from edgecnn.sequences.graphs import parts_of

    model = models.outline(name, **options.without_none(input_shape=input_shape))
    parts = parts_of(model)
    step_outputs = ["scores", "attention", *(f"new {state}" for state in parts.states)]
    rows = []
    for graph, when, outputs in (
        (parts.encoder, "once a sample", list(parts.memory)),
        (parts.step, "once for each id", step_outputs),
    ):
        inputs = [each.name for each in graph.inputs]
        for kind, names, tensors in (
            ("takes", inputs, graph.inputs),
            ("gives", outputs, graph.outputs),
        ):
            for tensor_name, tensor in zip(names, tensors, strict=True):
                rows.append((graph.name, when, kind, tensor_name, _format_shape(tensor.shape[1:])))
    _print_table(("graph", "runs", "", "tensor", "shape"), rows, left_columns=4)
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
                _format_shape(layer.output_shape),
                f"{layer.parameters:,}" if layer.parameters else "",
                _format_macs(layer.macs) if layer.macs != 0 else "",
                f"{layer.receptive_field.size:,}",
            )
            for layer in summary.layers
        ],
        left_columns=4,
    )
    memory, weights, activations = map(
        _format_megabytes,
        (summary.memory_bytes, summary.weight_bytes, summary.peak_activation_bytes),
    )
    click.echo(
        f"\n{summary.name}: {summary.parameters:,} parameters ({summary.trained_parameters:,} "
        f"trained), {_format_macs(summary.macs)} MACs, {memory} in float32 "
        f"({weights} weights + {activations} between layers), "
        f"receptive field {summary.receptive_field:,}"
    )


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left_columns: int) -> None:
    """Columns of text, the first `left_columns` flush left and the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if index < left_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _format_shape(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def _format_macs(macs: int | None) -> str:
    from edgecnn.models.drawing import short

    return "–" if macs is None else short(macs)


def _format_megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB"
