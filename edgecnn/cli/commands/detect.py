"""edgecnn detect: a camera, a video or images, with a box around what a detector finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edgecnn.cli import options
from edgecnn.cli.screen.messages import print_line


@click.command()
@click.argument("source")
@click.option(
    "--model",
    default="stop_sign_small",
    show_default=True,
    help="A shipped detector's name, or the file of any detector (.tflite, .onnx, .keras).",
)
@options.on_runtime("litert:cpu", examples="openvino:cpu or onnxruntime:cuda")
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    help="Minimum score of a box; by default the model's own.",
)
@click.option(
    "--classes",
    type=options.Names(list),
    default=(),
    help="What to find, as in 'stop sign,person'; by default all classes of the model.",
)
@options.about_model(labels="the detector's classes")
@options.preprocessing()
@options.shape()
@click.option(
    "--input-size",
    default="",
    metavar="SIDE|WIDTHxHEIGHT|auto",
    help="Input of our detectors: a longer side from 384 (fast) to 1280 (signs far away), fitted "
    "to the source's frames; auto is the largest that keeps its frame rate.",
)
@click.option(
    "--second-look",
    is_flag=True,
    help="Look again, from nearer, where something small may be a sign: far signs for the price of "
    "a small input in most frames.",
)
@click.option(
    "--near-look/--no-near-look",
    default=True,
    show_default=True,
    help="Our detectors: look at half of the input, too, where something large is seen.",
)
@click.option("--headless", is_flag=True, help="No window; events are printed as they happen.")
@click.option(
    "--serve",
    metavar="[ADDRESS]:PORT",
    help="Watch in a browser instead of a window; only this machine can connect unless an "
    "ADDRESS is given.",
)
@click.option("--explain", is_flag=True, help="Overlay what the network looks at.")
@click.option("--record", type=options.FILE, help="Write what is shown to a .mp4 file.")
@click.option(
    "--events", type=options.FILE, help="Write objects that appear and leave to a .jsonl file."
)
@click.option("--frames", type=click.IntRange(1), help="Stop after so many frames.")
@options.defaulted(
    "--read-timeout",
    type=click.FloatRange(0.1),
    default_text="5.0",
    help="Seconds without a frame after which a source counts as stalled.",
)
@options.defaulted(
    "--reconnect",
    type=click.FloatRange(0),
    default_text="60.0",
    help="Seconds to retry when a camera or a stream is lost; 0 ends at once.",
)
@options.force()
def command(
    *,
    source: str,
    model: str,
    runtime: str,
    threads: int,
    min_score: float | None,
    classes: tuple[str, ...],
    head: str,
    labels: str,
    preprocessing: str | None,
    shape: str,
    input_size: str,
    second_look: bool,
    near_look: bool,
    headless: bool,
    serve: str | None,
    explain: bool,
    record: Path | None,
    events: Path | None,
    frames: int | None,
    read_timeout: float | None,
    reconnect: float | None,
    force: bool,
) -> None:
    """Find stop signs, or what another detector knows, in SOURCE and show them live.

    SOURCE is a camera's number, a video file, a folder or glob of images, an rtsp:// or
    http:// address, a GStreamer pipeline, picamera, or synthetic (drawn live: no camera needed).
    Exit code 1 when a video breaks off, or when the disk was too full for the recording or events.

    Keys: space pause, n step, s save an image, r next runtime, m next model, e explain, q quit.
    """
    from edgecnn.errors import GateError
    from edgecnn.vision.live import LiveRun, LiveSettings
    from edgecnn.vision.pipeline import DetectorSpec
    from edgecnn.vision.sources import parse_source
    from edgecnn.vision.sources.capture import Patience

    options.claim(record, events)
    parsed_source = parse_source(source)
    _check_outputs(record, events, parsed_source.files)
    live = LiveRun(
        LiveSettings(
            source=parsed_source,
            choice=DetectorSpec(model, runtime),
            threads=threads,
            min_score=min_score,
            classes=classes,
            head=head,
            labels=options.label_names(labels),
            preprocessing=preprocessing,
            shape=shape,
            input_size=input_size,
            second_look=second_look,
            near_look=near_look,
            frames=frames,
            window=not headless and serve is None,
            explain=explain,
            record=record,
            events=events,
            serve=serve,
            force=force,
            patience=Patience(**options.without_none(read_s=read_timeout, return_s=reconnect)),
        ),
        print_line,
    )
    try:
        live.run()
    finally:
        summary = live.summary()
        for line in summary.lines() if summary.frames else ():
            print_line(line)
    if summary.lost:
        raise GateError(
            "; ".join(summary.lost),
            hint="free some space, or copy or convert the video again, and run it again",
        )


def _check_outputs(record: Path | None, events: Path | None, inputs: Sequence[Path]) -> None:
    """Refuse an output that is read as the source, and one file for both outputs."""
    from edgecnn.errors import InputError
    from edgecnn.files import refuse_input_as_output

    for path in (record, events):
        if path is not None:
            refuse_input_as_output(path, inputs)
    if record is not None and events is not None and record.resolve() == events.resolve():
        raise InputError(f"--record and --events both name {record}")
