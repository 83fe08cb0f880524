"""What the keys do. The window is made up: a test has no screen, and no fingers."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import cv2
import pytest

from edgecnn.vision.live import LiveRun, LiveSettings, outputs, runtimes_for
from edgecnn.vision.pipeline import DetectorSpec
from edgecnn.vision.sources import parse_source


class ScriptedWindow:
    """Gives one command each time it is asked and remembers what it showed."""

    def __init__(self, commands):
        self.commands, self.shown = deque(commands), []

    def show(self, image):
        self.shown.append(image)

    def command(self, wait_ms):
        if not self.commands:
            return ""
        command = self.commands.popleft()
        return command() or "" if callable(command) else command

    def close(self):
        pass


@pytest.fixture
def play(red_detector, video, tmp_path, monkeypatch):
    def run(commands, **more):
        window = ScriptedWindow(commands)
        monkeypatch.setattr(outputs, "Window", lambda _title: window)
        choice = DetectorSpec(str(red_detector), "onnxruntime:cpu")
        settings = LiveSettings(parse_source(str(video)), choice, saved=tmp_path, **more)
        running = LiveRun(settings, lambda _line: None)
        monkeypatch.setattr(running._pace, "wait", lambda _seconds: None)
        return window, running.run(), running

    return run


def test_quit_ends_the_run(play):
    _, summary, _ = play(["", "", "", "quit"])
    assert summary.frames <= 4


def test_while_paused_a_step_shows_one_frame(play):
    rest = [""] * 20
    _, summary, running = play(["pause", *rest, "step", *rest, "step", *rest, "quit"])
    assert summary.frames == 2
    assert running._last.frame.number == 1


def test_an_image_is_saved_as_it_is_shown(play, tmp_path):
    window, _, _ = play([""] * 10 + ["pause", "save", "quit"])
    (path,) = tmp_path.glob("edgecnn-*.png")
    assert cv2.imread(str(path)).shape == window.shown[-1].shape


def test_explaining_widens_the_image(play):
    window, _, _ = play([""] * 10 + ["explain"])
    widths = {image.shape[1] for image in window.shown}
    assert widths == {160, 160 + 53}


def test_the_runtime_is_switched_and_the_video_goes_on(play):
    _, summary, running = play(["", "runtime"], frames=60)
    running._pipeline.switch.wait(30)
    assert summary.frames == 60
    assert running._pipeline.switch.choice.runtime != "onnxruntime:cpu"


def test_only_runtimes_that_read_the_file_are_offered():
    assert runtimes_for(str(Path("x") / "model.onnx")) == [
        "onnxruntime:cpu",
        "openvino:cpu",
        "opencv:cpu",
    ]
    assert "tflite-runtime:cpu" not in runtimes_for("stop_sign_small")
