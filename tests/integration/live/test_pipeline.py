from __future__ import annotations

import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.vision import Detections, load_detector
from edgecnn.vision.pipeline import DetectorSpec, DetectorSwitch, Pipeline
from edgecnn.vision.sources import Source
from edgecnn.vision.sources.capture import Patience


def image(x=None):
    image = np.full((120, 160, 3), 120, np.uint8)
    if x is not None:
        image[40:64, x : x + 24] = (20, 20, 220)
    return image


@pytest.fixture
def detector(red_detector):
    return load_detector(red_detector, runtime="onnxruntime:cpu")


def test_every_frame_of_a_film_is_seen_once_and_in_order(detector, video):
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


def test_another_runtime_takes_over_while_the_film_runs(detector, red_detector, video):
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


@pytest.mark.parametrize("kind", ["zeros", "cut"])
def test_a_film_with_a_broken_middle_goes_on_behind_it(detector, video, tmp_path, kind):
    writer = cv2.VideoWriter(
        str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120)
    )
    rng = np.random.default_rng(0)
    for _ in range(60):
        writer.write(cv2.resize(rng.integers(0, 255, (30, 40, 3), np.uint8), (160, 120)))
    writer.release()
    data = bytearray((tmp_path / "film.avi").read_bytes())
    if kind == "zeros":
        data[len(data) * 4 // 10 : len(data) // 2] = bytes(len(data) // 2 - len(data) * 4 // 10)
    else:
        del data[len(data) * 6 // 10 :]
    (tmp_path / "film.avi").write_bytes(data)
    with Pipeline(str(tmp_path / "film.avi"), detector) as pipeline:
        results = list(pipeline)
    assert 25 <= len(results) < 60
    assert len(results) + pipeline.capture.unreadable == 60
    if kind == "zeros":
        assert len(results) >= 45  # a tenth of the bytes cost no more than a quarter of the film


def test_images_of_any_kind_and_size(detector, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    red = image(60)
    cv2.imwrite(str(folder / "1_color.png"), red)
    cv2.imwrite(str(folder / "2_alpha.png"), np.dstack([red, np.full((120, 160), 90, np.uint8)]))
    cv2.imwrite(str(folder / "3_gray.png"), red[:, :, 0])
    cv2.imwrite(str(folder / "4_deep.png"), red.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "5_dot.png"), red[:1, :1])
    cv2.imwrite(str(folder / "6_huge.png"), np.full((6000, 8000, 3), 120, np.uint8))
    (folder / "7_broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    (folder / "8_empty.jpg").write_bytes(b"")
    with Pipeline(str(folder), detector) as pipeline:
        results = list(pipeline)
    found = {result.frame.name[:1]: len(result.found) for result in results}
    assert found == {"1": 1, "2": 1, "3": 0, "4": 1, "5": 0, "6": 0}
    assert pipeline.capture.unreadable == 2
    assert results[-1].frame.size == (8000, 6000)


def test_a_folder_of_damaged_images_is_bad_input(detector, tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"no image")
    with (
        Pipeline(str(tmp_path), detector) as pipeline,
        pytest.raises(InputError, match="none of 1"),
    ):
        list(pipeline)


@pytest.mark.parametrize("content", [b"", b"no film at all"])
def test_a_file_that_is_no_film_is_bad_input(detector, tmp_path, content):
    (tmp_path / "film.mp4").write_bytes(content)
    with (
        Pipeline(str(tmp_path / "film.mp4"), detector) as pipeline,
        pytest.raises(InputError, match="not a video"),
    ):
        list(pipeline)


class Camera(ThreadingHTTPServer):
    """A network camera on loopback: MJPEG over HTTP, with manners that the test chooses."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, frames, then):
        self.frames, self.then, self.visits = frames, then, 0
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), CameraHandler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/video.mjpg"

    def handle_error(self, request, client_address):
        """Clients hang up here by design."""


class CameraHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        camera = self.server
        camera.visits += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        jpeg = cv2.imencode(".jpg", image(60))[1].tobytes()
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        for _ in range(camera.frames):
            self.wfile.write(head + jpeg + b"\r\n")
            time.sleep(0.02)
        if camera.then == "stall":
            camera.release.wait(20)

    def log_message(self, *arguments):
        pass


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


def take(pipeline, count):
    return [result for result, _ in zip(pipeline, range(count), strict=False)]


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
    source = Source("video", "film", live=False)
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
