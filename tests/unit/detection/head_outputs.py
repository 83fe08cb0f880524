"""Made-up outputs of detectors and the boxes that a head reads from them."""

from __future__ import annotations

import numpy as np

from edgecnn.detection.heads import DetectorSignature, open_head
from edgecnn.postprocessing import Postprocessing

SIDE = 64
CELLS = 64 + 16 + 4  # strides 8, 16 and 32
PLUS_CELLS = CELLS + 1  # and 64


def logit(share):
    return np.log(share / (1 - share))


def boxes(head, outputs, *, min_score=0.3, every_class=False, side=SIDE, **record):
    """Boxes in pixels of a square input."""
    opened = open_head(Postprocessing(head, **record), every_class=every_class)
    ordered = opened.ordered([np.asarray(output) for output in outputs], side, side)
    return opened.boxes([part[0] for part in ordered], side, side, min_score)


def rows(columns, count, *filled):
    """(1, count, columns) of zeros, with the rows (place, values) in it."""
    made = np.zeros((1, count, columns), np.float32)
    for place, values in filled:
        made[0, place, : len(values)] = values
    return made


ASKED = 96  # at 64 the numbers of cells are those of COCO's classes and a few more
ASKED_CELLS = 144 + 36 + 9


def clues(outputs, **said):
    return DetectorSignature(ASKED, ASKED, tuple(outputs), **said)
