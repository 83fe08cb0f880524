"""Cameras and streams: what disconnects is opened again, what is not there is named."""

from __future__ import annotations

import shutil

import cv2
import pytest

from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.vision.pipeline import Pipeline
from edgecnn.vision.sources.capture import Patience
from tests.integration.live.network_camera import Camera


@pytest.fixture
def camera():
    started = []

    def start(frames, then="end"):
        started.append(Camera(frames, then))
        return started[-1]

    yield start
    for one in started:
        one.release.set()
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize("then", ["end", "stall"])
def test_a_stream_that_ends_or_stalls_is_opened_again(detector, camera, then):
    network_camera = camera(25, then)
    patience = Patience(open_s=10, read_s=1.0, return_s=20)
    with Pipeline(network_camera.url, detector, patience=patience) as pipeline:
        results = []
        for result in pipeline:
            results.append(result)
            if pipeline.capture.reconnects and network_camera.visits > 1:
                break
    assert network_camera.visits >= 2
    assert all(len(result.found) == 1 for result in results)


def test_a_stream_that_does_not_come_back_is_told_with_its_story(detector, camera):
    network_camera = camera(25)
    with (
        Pipeline(network_camera.url, detector, patience=Patience(return_s=0.3)) as pipeline,
        pytest.raises(InputError, match=r"disconnected after \d+ frames and did not come back"),
    ):
        list(pipeline)


def test_a_camera_that_is_not_there_is_an_error_at_once(detector):
    with Pipeline("41", detector) as pipeline, pytest.raises(InputError, match="no camera 41"):
        list(pipeline)


def test_nobody_listens_at_an_address(detector):
    with (
        Pipeline("http://127.0.0.1:9/video.mjpg", detector) as pipeline,
        pytest.raises(InputError, match="cannot open"),
    ):
        list(pipeline)


def test_gstreamer_without_support_names_what_has_it(detector):
    if "GStreamer:                   NO" not in cv2.getBuildInformation():
        pytest.skip("this OpenCV has GStreamer")
    with (
        Pipeline("videotestsrc ! appsink", detector) as pipeline,
        pytest.raises(UnsupportedError, match="without GStreamer"),
    ):
        list(pipeline)


def test_a_pi_camera_without_its_library_names_the_package(detector):
    if shutil.which("rpicam-hello"):
        pytest.skip("this is a Raspberry Pi")
    with (
        Pipeline("picamera", detector) as pipeline,
        pytest.raises(MissingDependencyError, match="picamera2"),
    ):
        list(pipeline)
