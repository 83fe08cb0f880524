from __future__ import annotations

import resource
import signal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.vision.outputs import fragments
from edgecnn.vision.outputs.recording import Recorder, fit


def frame(number, width=64, height=48):
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, : 4 * (number % 10) + 8] = (30, 30, 200)
    return image


def recorded(path):
    """Times and number of frames, as OpenCV plays them."""
    capture = cv2.VideoCapture(str(path))
    times = []
    while capture.read()[0]:
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    return times


def record(path, seconds, **kinds):
    recorder = Recorder(path, **kinds)
    for number, at in enumerate(seconds):
        recorder.write(frame(number), at)
    return recorder


def test_a_video_has_every_frame_at_its_own_time(tmp_path):
    seconds = [0.0, 0.04, 0.08, 0.3, 0.34, 1.4, 1.44, 1.48]
    record(tmp_path / "out.mp4", seconds).close()
    assert recorded(tmp_path / "out.mp4") == pytest.approx(seconds, abs=0.002)


def test_a_video_is_playable_before_it_is_finished(tmp_path):
    recorder = record(tmp_path / "out.mp4", [i / 20 for i in range(60)])
    while recorder.frames < 60:
        pass
    assert len(recorded(tmp_path / "out.mp4")) >= 40
    recorder.close()
    assert len(recorded(tmp_path / "out.mp4")) == 60


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_a_video_that_was_cut_short_plays_up_to_there(tmp_path, share: float):
    path = tmp_path / "out.mp4"
    record(path, [i / 20 for i in range(80)]).close()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert len(recorded(path)) >= 80 * share - 21


def test_a_full_disk_leaves_a_whole_video_and_a_line(tmp_path):
    """A limit on file size stands for the disk: the kernel refuses the write just the same."""
    path = tmp_path / "out.mp4"
    rng = np.random.default_rng(0)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    recorder = Recorder(path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        for number in range(200):
            recorder.write(rng.integers(0, 255, (96, 128, 3), np.uint8), number / 20)
        recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "playable up to here" in recorder.trouble
    played = recorded(path)
    assert 0 < len(played) < 200
    assert len(played) % 20 == 0  # whole fragments of a second


def test_other_sizes_are_fitted_into_the_first(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4")
    for size in ((64, 48), (300, 20), (1, 1), (640, 480)):
        recorder.write(frame(3, *size), 0.1)
    recorder.close()
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert (capture.get(3), capture.get(4)) == (64, 48)


def test_a_clock_that_jumps_does_not_stretch_the_film(tmp_path):
    record(tmp_path / "out.mp4", [0.0, 0.04, 4000.0, 4000.04, 2.0, 2.04]).close()
    times = recorded(tmp_path / "out.mp4")
    assert len(times) == 6
    assert times[-1] < 12


def test_a_video_without_frames_is_not_left_behind(tmp_path):
    Recorder(tmp_path / "out.mp4").close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_recorded_before_stays_until_there_is_something_new(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"dear")
    Recorder(path, force=True).close()
    assert path.read_bytes() == b"dear"
    record(path, [0.0, 0.04], force=True).close()
    assert len(recorded(path)) == 2


def test_a_video_that_is_there_is_not_replaced_unasked(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"dear")
    with pytest.raises(InputError, match="exists already"):
        Recorder(tmp_path / "out.mp4")
    with pytest.raises(InputError, match=r"takes a \.mp4 file"):
        Recorder(tmp_path / "out.gif")


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(16, 64), st.integers(16, 64))
def test_any_image_fits_any_film(height, width, film_width, film_height):
    fitted = fit(cv2, np.full((height, width, 3), 200, np.uint8), (film_width, film_height))
    assert fitted.shape == (film_height, film_width, 3)
    assert fitted.max() == 200


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_what_is_no_video_is_refused_with_an_error_of_its_own(data):
    with pytest.raises(ValueError, match=r"box|does not fit"):
        fragments.read_encoded(data)
