"""edgecnn data capture: collect labeled images from a camera."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli import options
from edgecnn.cli.screen.messages import print_line


@click.command("capture", short_help="Collect labeled images from a camera.")
@click.argument("source")
@click.option(
    "--label",
    "labels",
    type=options.Names(list),
    required=True,
    metavar="NAME[,NAME…]",
    help="What the images show; digit keys choose among several.",
)
@click.option(
    "--out",
    type=options.FILE,
    required=True,
    help="Folder; images go to OUT/LABEL/*.png, existing ones stay.",
)
@options.defaulted(
    "--every",
    metavar="TIME",
    default_text="0.5s",
    help="Without a window: time between two images, as in 0.5s or 1m.",
)
@click.option("--count", type=click.IntRange(1), help="Stop after so many images.")
@options.defaulted(
    "--min-difference",
    type=click.FloatRange(0, 255),
    default_text="2.0",
    help="Skip images that differ less from the one before (mean of 0 to 255, gray).",
)
@click.option("--headless", is_flag=True, help="No window: take one image every --every.")
def command(
    *,
    source: str,
    labels: tuple[str, ...],
    out: Path,
    every: str | None,
    count: int | None,
    min_difference: float | None,
    headless: bool,
) -> None:
    """Collect labeled images from SOURCE, in the layout that --data folder:OUT reads.

    SOURCE is a camera's number, a video file, a folder or glob of images, an rtsp:// or
    http:// address, a GStreamer pipeline, picamera, or synthetic (drawn live: no camera needed).

    Keys: space takes an image, digits choose the label, n next image of a folder, q or Esc
    quits. Run it again to add to what is there.
    """
    from edgecnn.benchmarking.protocol import parse_duration
    from edgecnn.errors import GateError
    from edgecnn.vision.collect import CollectSettings, ImageCollector
    from edgecnn.vision.sources import parse_source

    collector = ImageCollector(
        CollectSettings(
            source=parse_source(source),
            labels=labels,
            out=out,
            count=count,
            window=not headless,
            **options.without_none(
                every_s=None if every is None else parse_duration(every),
                min_difference=min_difference,
            ),
        ),
        print_line,
    )
    try:
        collector.run()
    finally:
        if collector.taken or collector.left_out:
            for line in collector.lines():
                print_line(line)
    if collector.cut_off:
        raise GateError(collector.cut_off, hint="the images up to there are kept")
