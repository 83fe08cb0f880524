"""A Raspberry Pi that looks for stop signs: python demos/raspberry_pi.py --serve 0.0.0.0:8080

Uses the Pi's own camera where picamera2 is installed and a USB camera elsewhere, needs no
screen, shows what it sees in a browser, and says how warm the processor is: a Pi without a
cooler slows down after some minutes, and then the frames per second show only half of it.
"""

import argparse
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

from edgecnn.errors import EdgeCNNError
from edgecnn.vision import load_detector
from edgecnn.vision.outputs.server import LiveServer
from edgecnn.vision.overlay import StatusPanel, draw
from edgecnn.vision.pipeline import Pipeline
from edgecnn.vision.pipeline.detecting import warm_up

TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
LINE_EVERY_S = 5.0


def main() -> int:
    has_picamera = importlib.util.find_spec("picamera2") is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", nargs="?", default="picamera" if has_picamera else "0")
    parser.add_argument("--model", default="stop_sign_nano")
    parser.add_argument("--runtime", default="litert:cpu")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--serve", default=":8080", help="ADDRESS:PORT; 0.0.0.0 for everyone")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # systemctl stop, as Ctrl-C
    try:
        run(arguments)
    except EdgeCNNError as error:
        print(f"{error.message}\n  → {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def run(arguments: argparse.Namespace) -> None:
    detector = warm_up(load_detector(arguments.model, runtime=arguments.runtime,
                                   threads=arguments.threads))  # fmt: skip
    server = LiveServer(arguments.serve)
    print(f"watch at {server.url}", flush=True)
    last_line_at = time.monotonic()
    try:
        with Pipeline(arguments.source, detector) as pipeline:
            for result in pipeline:
                fps = pipeline.timing.fps(result.finished_ns)
                warm = f"{temperature():.0f} C" if TEMPERATURE.exists() else ""
                hud = StatusPanel(
                    fps, runtime=arguments.runtime, drops=pipeline.capture.drops, notices=(warm,)
                )
                server.publish(draw(result.frame.image, result.tracks, hud), {})
                for change in result.changes:
                    print(f"{change.track.label} #{change.track.id} {change.kind}s", flush=True)
                if time.monotonic() - last_line_at > LINE_EVERY_S:
                    last_line_at = time.monotonic()
                    print(f"{fps:.1f} fps {warm}", flush=True)
                if pipeline.results == arguments.frames:
                    return
    finally:
        server.close()


def temperature() -> float:
    """Degrees Celsius of the processor."""
    try:
        return int(TEMPERATURE.read_text()) / 1000
    except (OSError, ValueError):
        return float("nan")


if __name__ == "__main__":
    sys.exit(main())
