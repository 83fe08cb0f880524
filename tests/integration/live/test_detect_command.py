"""`edgecnn detect` as it is typed: exit codes, videos, events, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import cv2
import numpy as np
import pytest

from edgecnn.cli import invoke

EDGECNN = "from edgecnn.cli import main; main()"
LIMITED = (
    "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); " + EDGECNN
)


@pytest.fixture
def detect(red_detector, capsys):
    def run(source, *more):
        model = ["--model", str(red_detector), "--runtime", "onnxruntime:cpu"]
        code = invoke(["detect", str(source), *model, *map(str, more)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def started(red_detector):
    """`edgecnn detect` in a process of its own; it is gone when the test ends."""
    running = []

    def start(source, *more, limit_bytes=None):
        program = LIMITED.format(limit_bytes) if limit_bytes else EDGECNN
        model = ["--model", str(red_detector), "--runtime", "onnxruntime:cpu"]
        process = subprocess.Popen(
            [sys.executable, "-c", program, "detect", str(source), *model, *map(str, more)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def wait_for(process, condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_video_is_watched_to_its_end_and_everything_is_kept(detect, video, tmp_path):
    recorded, events = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    code, out, err = detect(
        video, "--headless", "--record", recorded, "--events", events, "--explain"
    )
    assert (code, err) == (0, "")
    assert "60 frames" in out
    assert ", 1 sign, 0 dropped" in out
    assert frames_of(recorded) == 60
    kinds = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert kinds == ["appear", "leave"]


def test_frames_end_a_run_early_and_signs_in_view_leave_with_it(detect, video, tmp_path):
    events = tmp_path / "out.jsonl"
    code, out, _ = detect(video, "--headless", "--frames", "30", "--events", events)
    assert code == 0
    assert out.count("leaves") == 1
    assert len(events.read_text().splitlines()) == 2


def test_images_are_named_with_what_was_found_in_them(detect, tmp_path):
    for name, color in (("gray.png", (120, 120, 120)), ("red.png", (20, 20, 220))):
        image = np.full((120, 160, 3), 120, np.uint8)
        image[40:64, 60:84] = color
        cv2.imwrite(str(tmp_path / name), image)
    code, out, _ = detect(tmp_path, "--headless", "--events", tmp_path / "out.jsonl")
    assert code == 0
    assert out.count("appears") == 1
    assert "in red.png" in out
    assert "leaves" not in out  # images have no before and after
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert first["picture"] == "red.png"


def test_the_drawn_street_needs_no_camera(detect):
    code, out, _ = detect("synthetic:160x120", "--headless", "--frames", "5")
    assert code == 0
    assert "5 frames" in out


@pytest.mark.parametrize(
    ("source", "more", "says"),
    [
        ("nowhere.mp4", [], "no such source"),
        ("41", ["--headless"], "no camera 41"),
        ("synthetic", ["--headless", "--record", "out.gif"], "takes a .mp4 file"),
        ("synthetic", ["--serve", "nonsense"], "not an address"),
        ("synthetic", ["--headless", "--events", "/proc/none/out.jsonl"], "cannot write"),
    ],
)
def test_bad_input_is_a_line_and_exit_code_2(detect, source, more, says):
    code, _, err = detect(source, *more)
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_without_a_display_the_way_out_is_named(detect, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, _, err = detect("synthetic")
    assert code == 2
    assert "no display" in err
    assert "--headless" in err
    assert "--serve" in err


def test_a_display_that_does_not_answer_ends_no_process(detect, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, _, err = detect("synthetic")
    assert code == 2
    assert "no window can be opened" in err or "without windows" in err


def test_a_model_that_is_no_detector_says_so_before_the_camera_runs(tmp_path, capsys):
    from onnx import TensorProto, helper

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 64, 64])

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu", [value("x")], [value("y")]
    )
    path = tmp_path / "classifier.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    code = invoke(["detect", "synthetic", "--headless", "--model", str(path),
                   "--runtime", "onnxruntime:cpu"])  # fmt: skip
    assert code == 2
    assert "not a detector" in capsys.readouterr().err


def test_what_was_recorded_before_is_not_replaced_unasked(detect, video, tmp_path):
    recorded = tmp_path / "out.mp4"
    recorded.write_bytes(b"dear")
    assert detect(video, "--headless", "--record", recorded)[0] == 2
    assert recorded.read_bytes() == b"dear"
    assert detect(video, "--headless", "--record", recorded, "--force", "--frames", "5")[0] == 0


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("41", ["--headless"]),
        ("synthetic", ["--headless", "--model", "nowhere.onnx"]),
        ("synthetic", []),  # without a display
        ("synthetic", ["--serve", "256.0.0.1:80"]),
    ],
)
def test_a_run_that_does_not_begin_leaves_everything_as_it_was(
    detect, tmp_path, monkeypatch, source, more
):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    video_file, events = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    kept = ["--record", video_file, "--events", events]
    assert detect(source, *more, *kept)[0] == 2
    assert list(tmp_path.glob("out.*")) == []
    for path in (video_file, events):
        path.write_bytes(b"dear")
    assert detect(source, *more, *kept, "--force")[0] == 2
    assert (video_file.read_bytes(), events.read_bytes()) == (b"dear", b"dear")


def test_names_of_files_reach_no_terminal_as_they_are(detect, tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), np.full((120, 160, 3), 120, np.uint8))
    (tmp_path / "bad\x1b[31m.png").write_bytes(b"no image")
    code, out, _ = detect(tmp_path, "--headless")
    assert code == 0
    assert "unreadable: bad\\x1b[31m.png" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_video_and_events(started, tmp_path, number):
    recorded, events = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    process = started(
        "synthetic:320x240", "--headless", "--record", recorded, "--events", events,
        "--min-score", "0.02",
    )  # fmt: skip
    wait_for(process, lambda: recorded.exists() and recorded.stat().st_size > 0)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    shown = int(re.search(r"(\d+) frames", out)[1])
    assert frames_of(recorded) == shown
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    appeared = sum(line["event"] == "appear" for line in lines)
    assert appeared * 2 == len(lines)


def test_a_kill_leaves_a_video_that_plays(started, tmp_path):
    recorded = tmp_path / "out.mp4"
    process = started("synthetic:160x120", "--headless", "--record", recorded)
    wait_for(process, lambda: recorded.exists() and recorded.stat().st_size > 20_000)
    process.kill()
    process.wait(30)
    assert frames_of(recorded) > 0


def test_a_full_disk_ends_the_video_and_not_the_run(started, tmp_path):
    """A limit on file size stands for the disk: the kernel refuses the write just the same."""
    recorded = tmp_path / "out.mp4"
    process = started(
        "synthetic:160x120",
        "--headless",
        "--frames",
        "90",
        "--record",
        recorded,
        limit_bytes=120_000,
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "recording stopped" in out
    assert "recording stopped" in err
    assert "90 frames" in out
    assert frames_of(recorded) > 0


def test_a_disk_too_full_for_the_films_end_is_told_too(started, tmp_path):
    """All of a short recording is written when the run is over."""
    process = started(
        "synthetic:640x480", "--headless", "--frames", "8", "--record", tmp_path / "out.mp4",
        limit_bytes=40_000,
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "recording stopped" in out
    assert "recording stopped" in err


def test_events_that_did_not_fit_are_no_success(started, video, tmp_path):
    process = started(
        video, "--headless", "--events", tmp_path / "out.jsonl", limit_bytes=100
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "events stopped: " in err
    assert "60 frames" in out


def test_a_video_that_breaks_off_is_no_success(detect, video, tmp_path):
    half = tmp_path / "half.avi"
    writer = cv2.VideoWriter(str(half), cv2.VideoWriter.fourcc(*"MJPG"), 20, (160, 120))
    for _ in range(60):
        writer.write(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))
    writer.release()
    content = half.read_bytes()
    half.write_bytes(content[: len(content) // 2])
    code, out, err = detect(half, "--headless")
    assert code == 1
    assert "frames in" in out
    assert "breaks off after" in err


def test_a_video_without_frames_is_bad_input(detect, tmp_path):
    path = tmp_path / "none.avi"
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (160, 120)).release()
    code, out, err = detect(path, "--headless", "--record", tmp_path / "out.mp4")
    assert code == 2
    assert "not one frame can be read" in err
    assert not (tmp_path / "out.mp4").exists()
    assert "Traceback" not in out + err


def test_a_recording_in_another_size_than_the_source_says_so(detect, tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), np.full((1200, 2500, 3), 90, np.uint8))
    code, out, _ = detect(tmp_path / "large.png", "--headless", "--record", tmp_path / "out.mp4")
    assert code == 0
    assert "recorded in 1920×922, the source has 2500×1200" in out


def test_a_browser_sees_the_stream_of_a_run_without_a_screen(started):
    process = started("synthetic:160x120", "--serve", ":0")
    url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]

    def state():
        with urllib.request.urlopen(url + "state.json", timeout=60) as answer:
            return json.load(answer)

    wait_for(process, lambda: state().get("fps", 0) > 0)
    with urllib.request.urlopen(url + "stream.mjpg", timeout=60) as stream:
        assert b"Content-Type: image/jpeg" in stream.read(4000)
    assert state()["runtime"] == "onnxruntime:cpu"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 130


def test_a_detector_of_another_maker_names_what_it_sees(tmp_path, capsys):
    from PIL import Image

    from tests.unit.detection.small_detectors import SCENES, ULTRALYTICS, draw, write_detector

    path = write_detector(tmp_path / "yolo.onnx", metadata=ULTRALYTICS)
    (tmp_path / "images").mkdir()
    for number, squares in enumerate(SCENES):
        Image.fromarray(draw(squares)).save(tmp_path / "images" / f"{number}.png")
    events = tmp_path / "events.jsonl"

    def labels(*more):
        code = invoke(
            ["detect", str(tmp_path / "images"), "--headless", "--model", str(path), "--runtime",
             "onnxruntime:cpu", "--events", str(events), "--force", *more]
        )  # fmt: skip
        assert code == 0
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        return sorted(line["label"] for line in lines if line["event"] == "appear")

    assert labels() == ["person", "person", "stop sign", "stop sign"]
    assert "person #" in capsys.readouterr().out
    assert labels("--classes", "stop sign") == ["stop sign", "stop sign"]
    assert invoke(["detect", str(tmp_path / "images"), "--headless", "--model", str(path),
                   "--runtime", "onnxruntime:cpu", "--classes", "zebra"]) == 2  # fmt: skip
    assert "no class 'zebra'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "made", "said"),
    [
        ("192", "-192x192-", ""),  # 160×120 needs 144 rows
        ("256x192", "-256x192-", ""),
        ("auto", "-*x*-", "ms a frame at 30 frames a second"),
    ],
)
def test_the_input_has_the_size_that_was_asked_for(
    detect, video, tmp_path, monkeypatch, size, made, said
):
    home = tmp_path / "home"
    monkeypatch.setenv("EDGECNN_HOME", str(home))
    code, out, err = detect(video, "--headless", "--input-size", size)
    assert code == 0, err
    assert said in out
    assert [path.name for path in (home / "models").glob(f"red{made}*.onnx")]
    assert "appears" in out


@pytest.mark.parametrize(
    ("size", "why"), [("700", "multiples of 64"), ("big", "an input size is"), ("64", "from 128")]
)
def test_a_wrong_input_size_is_one_line(detect, video, size, why):
    code, _, err = detect(video, "--headless", "--input-size", size)
    assert code == 2
    assert why in err
    assert "Traceback" not in err
