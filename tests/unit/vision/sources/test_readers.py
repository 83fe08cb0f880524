from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.opencv import as_bgr
from edgecnn.vision.sources import parse_source
from edgecnn.vision.sources.readers import open_reader


@pytest.mark.parametrize(
    "image",
    [
        np.full((4, 6), 7, np.uint8),
        np.full((4, 6, 1), 7, np.uint8),
        np.full((4, 6, 4), 7, np.uint8),
        np.full((4, 6, 3), 7 * 256, np.uint16),
        np.full((4, 6, 3), 7.4, np.float32),
        np.full((8, 6, 3), 7, np.uint8)[::2],
    ],
)
def test_whatever_a_camera_gives_becomes_bgr(image):
    bgr = as_bgr(image)
    assert bgr.shape == (4, 6, 3)
    assert bgr.dtype == np.uint8
    assert (bgr == 7).all()
    assert bgr.flags.c_contiguous


class Picamera2:
    """Stands for Raspberry Pi's own library, which exists on a Pi alone. Camera 1 is not there."""

    def __init__(self, number):
        if number:
            raise IndexError("list index out of range")
        self.log = []

    def create_video_configuration(self, main):
        return main

    def configure(self, configuration):
        self.log.append(configuration["format"])

    def start(self):
        self.log.append("start")

    def capture_array(self, stream):
        if len(self.log) > 3:
            raise RuntimeError("camera frontend has timed out")
        self.log.append(stream)
        return np.full((4, 6, 4), 9, np.uint8)

    def stop(self):
        self.log.append("stop")

    def close(self):
        self.log.append("close")


@pytest.fixture
def picamera2(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Picamera2))


def test_a_pi_camera_is_read_in_bgr_until_it_fails_and_is_let_go(picamera2):
    reader = open_reader(parse_source("picamera"))
    image, seconds, _ = reader.read()
    assert image.shape == (4, 6, 3)
    assert seconds < 0
    assert reader._camera.log[0] == "RGB888"  # libcamera's word for B, G, R in memory
    reader.read()
    assert reader.read() is None
    reader.close()
    assert reader._camera.log[-2:] == ["stop", "close"]


def test_a_pi_camera_that_is_not_there_names_the_tool_that_lists_them(picamera2):
    with pytest.raises(InputError, match="no Raspberry Pi camera 1") as caught:
        open_reader(parse_source("picamera:1"))
    assert "rpicam-hello" in caught.value.hint
