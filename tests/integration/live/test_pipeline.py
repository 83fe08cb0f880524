"""Frames through capture, network and tracker: in order, overlapping, and stopped at once."""

from __future__ import annotations

import threading
import time
from itertools import islice, pairwise

import numpy as np
import pytest

from edgecnn.vision import Detections, load_detector
from edgecnn.vision.pipeline import DetectorSpec, DetectorSwitch, Pipeline
from edgecnn.vision.sources import Source


def test_every_frame_of_a_video_is_seen_once_and_in_order(detector, video):
    with Pipeline(str(video), detector) as pipeline:
        results = list(pipeline)
    assert [result.frame.number for result in results] == list(range(60))
    assert pipeline.capture.drops == 0
    seconds = [result.frame.seconds for result in results]
    assert seconds == pytest.approx([i / 30 for i in range(60)], abs=0.01)


def test_a_sign_appears_is_followed_and_leaves(detector, video):
    with Pipeline(str(video), detector) as pipeline:
        results = list(pipeline)
        last = pipeline.leaving()
    changes = [change for result in results for change in result.changes] + list(last)
    assert [change.kind for change in changes] == ["appear", "leave"]
    assert changes[1].track.last_seen_s == pytest.approx(39 / 30, abs=0.02)
    left, top, right, bottom = results[35].tracks[0].xyxy
    assert (left + right) / 2 == pytest.approx(20 + 35 + 12, abs=6)
    assert (top + bottom) / 2 == pytest.approx(52, abs=6)


def wait_until_tracked(pipeline, frames):
    """Until the tracker has seen so many, however few were taken."""
    end = time.monotonic() + 30
    while pipeline.timing.stages()["track"].samples < frames:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("taken", "tracked", "appeared", "last_seen"),
    [
        (21, 23, False, 0),  # it appears in the next frame, which nobody saw
        (31, 33, True, 30),
        (57, 60, True, 39),  # it is gone two frames later
    ],
)
def test_at_the_end_of_a_run_what_was_shown_last_leaves(
    detector, video, taken, tracked, appeared, last_seen
):
    with Pipeline(str(video), detector) as pipeline:
        results = list(islice(pipeline, taken))
        wait_until_tracked(pipeline, tracked)
        leaving = pipeline.leaving()
        assert pipeline.leaving() == ()
    kinds = [change.kind for result in results for change in result.changes]
    assert kinds == ["appear"] * appeared
    assert [change.kind for change in leaving] == ["leave"] * appeared
    seen = [change.track.last_seen_s for change in leaving]
    assert seen == [pytest.approx(last_seen / 30, abs=0.02)] * appeared


def test_evidence_fires_where_the_sign_is(detector, video):
    with Pipeline(str(video), detector, explain=True) as pipeline:
        results = list(pipeline)
    evidence = results[30].evidence
    rows, columns = evidence.heat.shape
    y, x = np.unravel_index(evidence.heat.argmax(), evidence.heat.shape)
    assert x / columns * 160 == pytest.approx(20 + 30 + 12, abs=10)
    assert y / rows * 120 == pytest.approx(52, abs=10)
    assert evidence.edges is not None  # read off the .onnx file
    assert evidence.redness.max() > 0.5
    assert results[0].evidence.heat.max() < 0.1


def test_the_callers_detector_keeps_its_threshold(detector, video):
    before = detector.min_score
    with Pipeline(str(video), detector) as pipeline:
        results = list(pipeline)
    assert detector.min_score == before
    assert min(score for result in results for _, score in result.found) >= before


def test_another_runtime_takes_over_while_the_video_runs(detector, red_detector, video):
    def loader(choice):
        return load_detector(choice.model, runtime=choice.runtime)

    switch = DetectorSwitch(detector, DetectorSpec(str(red_detector), "onnxruntime:cpu"), loader)
    with Pipeline(str(video), switch) as pipeline:
        found = [next(iter(pipeline))]
        assert switch.request(DetectorSpec(str(red_detector), "opencv:cpu"))
        switch.wait(30)
        found += list(pipeline)
    assert switch.choice.runtime == "opencv:cpu"
    assert len(found) == 60
    kinds = [change.kind for result in found for change in result.changes]
    assert kinds == ["appear", "leave"]


def test_a_network_that_opencv_runs_keeps_its_threads(detector, red_detector, video):
    import cv2

    before = cv2.getNumThreads()
    own = load_detector(red_detector, runtime="opencv:cpu", threads=2)
    switch = DetectorSwitch(own, DetectorSpec("own", "opencv:cpu"), lambda _: detector)
    with Pipeline(str(video), switch) as pipeline:
        next(iter(pipeline))
        assert cv2.getNumThreads() == 2
        switch.request(DetectorSpec("other", "onnxruntime:cpu"))
        switch.wait(60)
        assert any(cv2.getNumThreads() == 1 for _ in pipeline)
    cv2.setNumThreads(before)


def test_a_choice_that_cannot_be_loaded_changes_nothing(detector, red_detector):
    switch = DetectorSwitch(
        detector,
        DetectorSpec(str(red_detector), "onnxruntime:cpu"),
        lambda choice: load_detector(choice.model, runtime=choice.runtime),
    )
    switch.request(DetectorSpec(str(red_detector), "litert:cpu"))
    switch.wait(30)
    assert switch.choice.runtime == "onnxruntime:cpu"
    assert "litert reads tflite" in switch.message


def test_leaving_early_stops_every_thread(detector, video):
    before = threading.active_count()
    with Pipeline(str(video), detector) as pipeline:
        next(iter(pipeline))
    assert threading.active_count() <= before


def test_what_goes_wrong_in_a_thread_is_raised_where_the_results_are_asked_for(video):
    def broken(_image):
        raise ZeroDivisionError

    with Pipeline(str(video), broken) as pipeline, pytest.raises(ZeroDivisionError):
        list(pipeline)


def take(pipeline, count):
    return [result for result, _ in zip(pipeline, range(count), strict=False)]


def test_the_drawn_street_runs_live_and_counts_its_drops(detector):
    over = threading.Event()

    def detect(image):
        """As slow as the street is quick: until a waiting frame was replaced by a newer one."""
        before = pipeline.capture.drops
        for _ in range(6000):
            if pipeline.capture.drops > before or over.wait(0.005):
                break
        return detector(image)

    with Pipeline("synthetic:160x120@60", detect) as pipeline:
        results = take(pipeline, 12)
        over.set()
    numbers = [result.frame.number for result in results]
    assert all(later - earlier >= 2 for earlier, later in pairwise(numbers))
    missed = numbers[-1] + 1 - len(numbers)
    assert 0 < missed <= pipeline.capture.drops  # some may be dropped after the last result


class Numbered:
    """A source whose images hold their number, and a network that counts what it is shown:
    the counts show whether the stages overlap, however busy the machine is.
    """

    fps, unreadable = 0.0, 0

    def __init__(self, count, pause=0.0):
        self.count, self.pause = count, pause
        self.given = 0
        self.shown = []
        self.changed = threading.Condition()

    def read(self):
        if self.given == self.count:
            return None
        self.given += 1
        time.sleep(self.pause)
        return np.full((120, 160, 3), self.given, np.uint8), 0.0, ""

    def close(self):
        pass

    def detect(self, image):
        with self.changed:
            self.shown.append((int(image[0, 0, 0]), self.given))
            self.changed.notify_all()
        return Detections.none()


def test_a_frame_is_detected_while_an_earlier_one_is_drawn():
    numbered = Numbered(26)
    source = Source("video", "clip", live=False)
    with Pipeline(source, numbered.detect, opener=lambda _: numbered) as pipeline:
        for number, _ in enumerate(pipeline):
            if number < 20:  # behind the last frame comes no other
                with numbered.changed:
                    later = numbered.changed.wait_for(
                        lambda wanted=number + 2: len(numbered.shown) >= wanted, timeout=30
                    )
                assert later, "the network waits for whoever draws"


def test_a_live_result_is_of_a_frame_that_came_during_the_inference_before():
    numbered = Numbered(250, pause=0.005)

    def detect(image):
        found = numbered.detect(image)
        time.sleep(0.03)
        return found

    source = Source("camera", "0", live=True)
    with Pipeline(source, detect, opener=lambda _: numbered) as pipeline:
        take(pipeline, 12)
    assert pipeline.capture.drops > 0
    for (_, given_before), (number, _) in pairwise(numbered.shown):
        assert number >= given_before - 1  # the one that was being read then, or a later one
