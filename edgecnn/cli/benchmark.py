"""edgecnn benchmark: measure model files on the runtimes of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import on_boards, options, repetition
from edgecnn.cli.options.data import ReadingOptions
from edgecnn.cli.screen import timeline
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned

if TYPE_CHECKING:
    from edgecnn.benchmarking.protocol import Protocol


def board_names() -> list[str]:
    from edgecnn.boards import inventory

    return list(inventory.load())


@click.command(cls=Sectioned)
@click.argument("artifacts", nargs=-1, required=True, type=options.FILE)
@options.runtimes()
@options.data(help="Data set whose test split is fed and gives the accuracy.")
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
@options.further_passes()
@click.option(
    "--on",
    type=options.Names(board_names),
    default=(),
    help="Boards to measure on over SSH: names, tags or ssh://user@host.",
)
@click.option("--out", type=options.FILE, required=True, help="The results file (.json) to write.")
@options.force()
def command(
    *,
    artifacts: tuple[Path, ...],
    runtimes: tuple[str, ...],
    data: str | None,
    data_dir: Path | None,
    reading: ReadingOptions,
    protocol: Protocol,
    threads: tuple[int, ...],
    batches: tuple[int, ...],
    strict_float32: bool,
    preprocessing: str | None,
    head: str,
    labels: str,
    shape: str,
    beam: int | None,
    scenario: str,
    streams: int | None,
    target_qps: float,
    latency_bound_ms: float | None,
    affinity: tuple[int, ...],
    loadgen: bool,
    sustained: str | None,
    profile_ops: bool,
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
    from edgecnn.benchmarking.benchmark import DEFAULT_PASSES, benchmark
    from edgecnn.benchmarking.conclusion import require_a_measurement
    from edgecnn.benchmarking.continuing import check_previous
    from edgecnn.benchmarking.loop import scenarios
    from edgecnn.benchmarking.protocol import parse_duration
    from edgecnn.cli.datasets import load_data
    from edgecnn.cli.screen.messages import say
    from edgecnn.cli.screen.tables import show
    from edgecnn.errors import InputError
    from edgecnn.feeding.choice import check_option
    from edgecnn.feeding.detectors import ModelOptions
    from edgecnn.formats.check import check_model_path, digest_of
    from edgecnn.manifest import without_sidecars
    from edgecnn.results import Placement, Results, RuntimeOptions

    if out.suffix != ".json":
        raise InputError(
            f"--out takes a .json file, received: {out}",
            hint="edgecnn report makes pages and tables of it",
        )
    models = [check_model_path(path) for path in without_sidecars(artifacts) or artifacts]
    options.claim(out)
    on_boards.refuse_nobody(on)
    if on:
        on_boards.measure(
            on, models, out, data=data, data_dir=data_dir, reading=reading, force=force
        )
        return
    if sustained:
        protocol = replace(protocol, sustained_secs=parse_duration(sustained))
    passes = list(DEFAULT_PASSES)
    if protocol.name == "quick":
        passes.remove("energy")  # three seconds a row where there is a sensor
    passes += ["loadgen"] * loadgen + ["ops"] * profile_ops
    load = scenarios.resolve(
        scenario,
        streams,
        target_qps=target_qps,
        latency_bound_ms=latency_bound_ms,
    )
    check_option(preprocessing)
    about = ModelOptions(head, options.label_names(labels))
    dataset = None
    if data:
        dataset = load_data(data, data_dir=data_dir, models=models, reading=reading)
    previous = Results.load(out) if out.exists() and not force else None
    if previous is not None:
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
            load=load,
            protocol=protocol,
            data=dataset,
            preprocessing=preprocessing,
            about=about,
            passes=passes,
            out=out,
            previous=previous,
            command=options.command_line(),
            repeat=repetition.shared_words(command),
            progress=progress,
        )
    show([results])
    apart = results.data.get("set_apart")
    if apart:
        say(f"{apart} samples of the only split calibrated these files: kept out of the accuracy")
    timeline.tell(len(results.measurements))
    model_keys = {(path.name, digest_of(path)[0]) for path in models}
    click.echo(f"{out}; a page of it: edgecnn report {out} --out {out.with_suffix('.html')}")
    require_a_measurement(
        row
        for row in results.measurements
        if (row.artifact.name, row.artifact.sha256) in model_keys
    )
