"""How frames are kept and dropped. Readers are made up here: what counts is when they answer."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.sources import Source, parse_source
from edgecnn.vision.sources.capture import Capture, Patience

LIVE = Source("camera", "0", live=True)
FILE = Source("video", "clip.mp4", live=False)
FRAME = np.zeros((4, 4, 3), np.uint8)


class Reader:
    """Gives `count` frames, then does what `after` says."""

    fps = 30.0
    unreadable = 0

    def __init__(self, count, after=lambda: None, gap_s=0.0):
        self.left, self.after, self.gap_s = count, after, gap_s
        self.exhausted, self.closed = threading.Event(), threading.Event()

    def read(self):
        if self.left == 0:
            self.exhausted.set()
            return self.after()
        self.left -= 1
        time.sleep(self.gap_s)
        return FRAME, -1.0, ""

    def close(self):
        self.closed.set()


@pytest.fixture
def capture_of(request):
    def make(source, *readers, **patience):
        waiting = list(readers)

        def opener(_source):
            if not waiting:
                raise InputError("it is not there")
            return waiting.pop(0)

        capture = Capture(source, opener=opener, patience=Patience(**patience))
        request.addfinalizer(capture.close)
        capture.start()
        return capture

    return make


def test_a_file_drops_nothing_however_slow_the_reader_of_frames_is(capture_of):
    capture = capture_of(FILE, Reader(12))
    numbers = []
    while (frame := capture.next()) is not None:
        numbers.append(frame.number)
        time.sleep(0.005)
    assert numbers == list(range(12))
    assert capture.drops == 0


def test_a_file_is_not_read_far_ahead(capture_of):
    reader = Reader(50)
    capture = capture_of(FILE, reader)
    capture.next()
    time.sleep(0.1)
    assert reader.left >= 50 - 5


def test_a_live_source_keeps_the_newest_frame_and_counts_the_rest(capture_of):
    reader = Reader(20, after=threading.Event().wait)
    capture = capture_of(LIVE, reader)
    assert reader.exhausted.wait(10)
    frame = capture.next()
    assert frame.number == 19
    assert capture.drops == 19


def test_frames_that_pass_during_a_pause_are_not_late(capture_of):
    reader = Reader(20, gap_s=0.02, after=threading.Event().wait)
    capture = capture_of(LIVE, reader)
    capture.count_drops(False)
    assert reader.exhausted.wait(10)
    assert capture.next().number == 19
    assert capture.drops <= 1  # one may have passed before the pause


def test_a_camera_that_goes_is_opened_again(capture_of):
    capture = capture_of(LIVE, Reader(1), Reader(1), return_s=5.0)
    first, second = capture.next(), capture.next()
    assert (first.number, second.number) == (0, 1)
    assert capture.reconnects == 1
    assert capture.trouble == ""


def test_a_camera_that_stays_away_is_given_up_with_its_story(capture_of):
    capture = capture_of(LIVE, Reader(1), return_s=0.1)
    assert capture.next() is not None
    with pytest.raises(InputError, match=r"camera 0 disconnected after 1 frames and did not come"):
        capture.next()


def test_a_read_that_hangs_is_abandoned_for_a_new_one(capture_of):
    release = threading.Event()
    hanging = Reader(1, after=release.wait)
    capture = capture_of(LIVE, hanging, Reader(1), read_s=1.0, return_s=60.0)
    capture.next()
    assert capture.next().number == 1
    release.set()  # the driver lets go at last: the reader is closed, and its frame goes nowhere
    assert hanging.closed.wait(60)


def test_a_file_that_stalls_is_an_error_at_once(capture_of):
    capture = capture_of(FILE, Reader(1, after=threading.Event().wait), read_s=1.0)
    capture.next()
    with pytest.raises(InputError, match=r"clip.mp4 stalled: no frame for 1 s"):
        capture.next()


def test_a_file_that_rested_while_nobody_asked_has_not_stalled(capture_of):
    capture = capture_of(FILE, Reader(6), read_s=1.0)
    capture.next()
    time.sleep(1.5)  # the viewer paused longer than a read may take
    rest = 0
    while capture.next() is not None:
        rest += 1
    assert rest == 5


def test_a_source_that_was_never_there_is_not_waited_for(capture_of):
    with pytest.raises(InputError, match="it is not there"):
        capture_of(LIVE).next()


def test_a_bug_in_a_reader_is_not_taken_for_a_lost_camera(capture_of):
    def fail():
        raise ZeroDivisionError

    capture = capture_of(LIVE, Reader(1, after=fail), Reader(1))
    capture.next()
    with pytest.raises(ZeroDivisionError):
        capture.next()


def test_images_that_were_left_out_are_known_when_a_run_ends_early(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"no image")
    for number in range(2, 9):
        cv2.imwrite(str(tmp_path / f"{number}.png"), FRAME)
    capture = Capture(parse_source(str(tmp_path)))
    capture.start()
    assert capture.next().name == "2.png"
    capture.close()
    assert (capture.unreadable, capture.left_out) == (1, "1.jpg")


def test_closing_wakes_whoever_waits(capture_of):
    capture = capture_of(LIVE, Reader(0, after=lambda: time.sleep(0.3)))
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(capture.next()))
    waiting.start()
    time.sleep(0.05)
    capture.close()
    waiting.join(2)
    assert answers == [None]
