"""A size is chosen under the conditions of the run that it is chosen for."""

from __future__ import annotations

import os
import threading

import cv2
import numpy as np
import pytest

from edgecnn.detection.detections import Detections
from edgecnn.errors import InputError
from edgecnn.vision.detectors.second_look import SecondLook
from edgecnn.vision.detectors.size_choice import choose_size
from edgecnn.vision.live import LiveRun, LiveSettings
from edgecnn.vision.pipeline import DetectorSpec
from edgecnn.vision.sources import Source, parse_source
from edgecnn.vision.sources.capture import Patience
from tests.unit.vision.detectors.test_second_look import Eye, by_size


@pytest.fixture
def source(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((720, 720, 3), np.uint8))
    return parse_source(str(tmp_path / "1.png"))


def test_opencv_has_as_many_threads_as_in_the_run(source):
    seen = set()

    def detect(_image):
        seen.add(cv2.getNumThreads())
        return Detections.none()

    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        choose_size("auto", source, lambda _size: detect)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
    assert seen == {1}


def test_a_second_look_is_timed_with_its_windows(source):
    second = SecondLook(Eye(384, by_size), Eye(256, by_size))
    choose_size("auto", source, lambda _size: second)
    assert second.first.calls  # of a black frame, in which nothing is in doubt
    assert len(second.closer.calls) == 2 * len(second.first.calls)


def test_a_source_that_does_not_answer_is_waited_for_as_long_as_in_the_run(tmp_path):
    silent = tmp_path / "silent.mp4"
    os.mkfifo(silent)  # opening it waits for somebody who writes
    somebody = threading.Timer(30, lambda: os.close(os.open(silent, os.O_RDWR)))
    somebody.start()
    settings = LiveSettings(
        Source("video", str(silent), live=False),
        DetectorSpec("stop_sign_nano", "litert:cpu"),
        input_size="768",
        window=False,
        patience=Patience(open_s=0.3),
    )
    try:
        with pytest.raises(InputError, match=r"no answer for 0\.3 s"):
            LiveRun(settings, lambda _line: None).run()
    finally:
        somebody.cancel()
        os.close(os.open(silent, os.O_RDWR))
