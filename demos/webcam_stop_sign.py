"""A box around every stop sign that a webcam sees: python demos/webcam_stop_sign.py"""

import argparse

import cv2

from edgecnn.vision import load_detector
from edgecnn.vision.overlay import StatusPanel, draw
from edgecnn.vision.pipeline import Pipeline

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("source", nargs="?", default="0", help="camera, video, images or address")
parser.add_argument("--model", default="stop_sign_small")
parser.add_argument("--runtime", default="litert:cpu")
parser.add_argument("--save", help="write the last image here instead of opening a window")
parser.add_argument("--frames", type=int, default=0, help="stop after so many")
arguments = parser.parse_args()

image = None
detector = load_detector(arguments.model, runtime=arguments.runtime)
with Pipeline(arguments.source, detector) as pipeline:
    for result in pipeline:
        fps = pipeline.timing.fps(result.finished_ns)
        image = draw(result.frame.image, result.tracks, StatusPanel(fps, runtime=arguments.runtime))
        for change in result.changes:
            track = change.track
            print(f"{result.frame.seconds:6.2f} s: {track.label} #{track.id} {change.kind}s")
        if not arguments.save:
            cv2.imshow("stop signs (q quits)", image)
            if cv2.waitKey(1) == ord("q"):
                break
        if pipeline.results == arguments.frames:
            break
if arguments.save and image is not None:
    cv2.imwrite(arguments.save, image)
