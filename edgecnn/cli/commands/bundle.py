"""edgecnn bundle: a model file as something that runs."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli import options
from edgecnn.cli.screen.progress import progress_bar


@click.command()
@click.argument("artifact", type=options.FILE)
@click.option("--out", type=options.FILE, help="The folder or .zip file to write.")
@click.option(
    "--runtime",
    metavar="RUNTIME:DEVICE",
    help="Runtime of the bundle. Default: LiteRT for .tflite, ONNX Runtime for .onnx.",
)
@click.option("--threads", type=int, default=1, show_default=True, help="Threads of the runtime.")
@click.option("--name", help="Name of the Python package. Default: the file's.")
@options.data(help="Data set whose samples the self-test records; noise without it.")
@options.preprocessing()
@options.about_model()
@options.shape()
@click.option("--evidence", type=options.FILE, help="A JSON file to include (answer.json).")
@click.option(
    "--c-array",
    type=options.FILE,
    help="Also write a C header (.h) with the model, its operators and its arena size.",
)
@options.force()
def command(
    *,
    artifact: Path,
    out: Path | None,
    runtime: str | None,
    threads: int,
    name: str | None,
    data: options.DataOptions,
    preprocessing: str | None,
    head: str,
    labels: str,
    shape: str,
    evidence: Path | None,
    c_array: Path | None,
    force: bool,
) -> None:
    """Pack ARTIFACT (.tflite, .onnx) with its preprocessing, its runtime's options and a runner.

    On another machine `python3 -m NAME --install` and `python3 -m NAME image.png` run it.
    """
    from edgecnn.cli.datasets import load_optional
    from edgecnn.errors import InputError
    from edgecnn.files import read_json_file
    from edgecnn.optimization.bundles.bundle import write_bundle
    from edgecnn.optimization.bundles.c_array import write_c_array

    if out is None and c_array is None:
        raise InputError("nothing to write", hint="pass --out DIR|ZIP, --c-array FILE.h, or both")
    about = options.model_options(head, labels, preprocessing)
    options.claim(out, c_array)
    dataset = load_optional(data, models=[artifact])
    answer = read_json_file(evidence) if evidence else None
    if answer is not None and not isinstance(answer, dict):
        raise InputError(f"{evidence}: expected a JSON object", hint="as answer.json of optimize")
    with progress_bar() as progress:
        if out is not None:
            progress("bundle", 0, 1, artifact.name)
            written = write_bundle(
                artifact,
                out,
                configuration=runtime,
                threads=threads,
                dataset=dataset,
                evidence=answer,
                name=name,
                about=about,
                preprocessing=preprocessing,
                shape=shape,
                force=force,
            )
            progress("bundle", 1, 1, artifact.name)
        if c_array is not None:
            progress("c-array", 0, 1, artifact.name)
            notes = write_c_array(artifact, c_array, force=force)
            progress("c-array", 1, 1, artifact.name)
    if out is not None:
        click.echo(written)
    if c_array is not None:
        click.echo(c_array)
        for note in notes:
            click.echo(note)
