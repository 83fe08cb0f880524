"""edgecnn benchmark: measure model files on the runtimes of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import on_boards, options, repetition
from edgecnn.cli.screen import timeline
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned

if TYPE_CHECKING:
    from edgecnn.benchmarking.protocol import Protocol
    from edgecnn.results import Measurement, Results


@click.command(cls=Sectioned)
@click.argument("artifacts", nargs=-1, required=True, type=options.FILE)
@options.runtimes()
@options.data(help="Data set whose test split is the input and gives the accuracy.")
@options.protocol(default="default")
@click.option(
    "--batch",
    "batches",
    type=options.Numbers(),
    default="1",
    show_default=True,
    help="Samples per inference; a list measures each.",
)
@click.option(
    "--strict-float32",
    is_flag=True,
    help="Forbid runtimes to compute float32 models in a smaller format (OpenVINO's bfloat16).",
)
@options.preprocessing()
@options.about_model()
@options.shape()
@click.option(
    "--beam",
    type=int,
    help="Hypotheses that a sequence model follows; 1 is greedy. By default its own number.",
)
@options.scenario()
@options.affinity()
@options.further_passes()
@click.option(
    "--on",
    type=options.Names(options.board_names),
    default=(),
    help="Boards to measure on over SSH: names, tags or ssh://user@host.",
)
@click.option("--out", type=options.FILE, required=True, help="The results file (.json) to write.")
@options.force()
def command(
    *,
    artifacts: tuple[Path, ...],
    runtimes: tuple[str, ...],
    data: options.DataOptions,
    protocol: Protocol,
    threads: tuple[int, ...],
    batches: tuple[int, ...],
    strict_float32: bool,
    preprocessing: str | None,
    head: str,
    labels: str,
    shape: str,
    beam: int | None,
    load: options.LoadOptions,
    affinity: tuple[int, ...],
    further_passes: options.PassOptions,
    on: tuple[str, ...],
    out: Path,
    force: bool,
) -> None:
    """Measure ARTIFACTS (.tflite, .onnx, .keras, .mnn, ncnn's .param, sequence models) and print a
    table.

    Run the same command again to resume an interrupted benchmark.
    Exit code: 0 when a row was measured, 1 when none was, 2 when no runtime takes the file, 3 when
    this machine lacks the runtimes.
    """
    from edgecnn.benchmarking.benchmark import benchmark
    from edgecnn.benchmarking.conclusion import require_a_measurement
    from edgecnn.benchmarking.resuming import check_previous
    from edgecnn.cli.datasets import load_optional
    from edgecnn.cli.screen.tables import print_results_path, show
    from edgecnn.formats.check import check_model_path
    from edgecnn.manifest import without_sidecars
    from edgecnn.results import Placement, Results, RuntimeOptions

    _check_ending(out)
    models = [check_model_path(path) for path in without_sidecars(artifacts) or artifacts]
    options.claim(out)
    on_boards.require_a_board(on)
    if on:
        on_boards.measure(on, models, out, data=data, force=force)
        return
    protocol = further_passes.extend(protocol)
    resolved_load = load.resolve()
    about = options.model_options(head, labels, preprocessing)
    dataset = load_optional(data, models=models)
    previous = None
    if out.exists() and not force:
        previous = Results.load(out)
        check_previous(previous, protocol, dataset, preprocessing, about)
    with progress_bar() as progress:
        results = benchmark(
            models,
            runtimes,
            threads=threads,
            batches=batches,
            precision="strict_float32" if strict_float32 else "default",
            options=RuntimeOptions(shape=shape, beam=beam or 0),
            placement=Placement(tuple(sorted(set(affinity)))),
            load=resolved_load,
            protocol=protocol,
            data=dataset,
            preprocessing=preprocessing,
            about=about,
            passes=further_passes.names(protocol.name),
            out=out,
            previous=previous,
            command=options.command_line(),
            repeat=repetition.shared_words(command),
            progress=progress,
        )
    show([results])
    _print_set_apart(results)
    timeline.print_summary(len(results.measurements))
    print_results_path(out)
    require_a_measurement(_rows_of(models, results))


def _check_ending(out: Path) -> None:
    from edgecnn.errors import InputError

    if out.suffix != ".json":
        raise InputError(
            f"--out takes a .json file, received: {out}",
            hint="edgecnn report makes pages and tables of it",
        )


def _print_set_apart(results: Results) -> None:
    """How many samples do not count toward the accuracy, because they calibrated the files."""
    from edgecnn.cli.screen.messages import say

    count = results.data.get("set_apart")
    if count:
        say(
            f"{count} samples of the only split calibrated these files and are excluded from the "
            "accuracy"
        )


def _rows_of(models: Sequence[Path], results: Results) -> Iterator[Measurement]:
    """The rows of these files; a results file may hold those of others, too."""
    from edgecnn.formats.check import digest_of

    keys = {(path.name, digest_of(path)[0]) for path in models}
    for row in results.measurements:
        if (row.artifact.name, row.artifact.sha256) in keys:
            yield row
