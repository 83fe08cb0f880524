"""The demos run as a user starts them, on drawn scenes or on the real video next to the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

DEMOS = Path(__file__).resolve().parents[3] / "demos"
STREET = "synthetic:320x240"


@pytest.fixture
def real_video(shared_data) -> Path:
    return shared_data / "video" / "stock_stop_sign_zoom.mp4"


def demo(name, *arguments):
    return subprocess.run(
        [sys.executable, str(DEMOS / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_shortest_program_is_short():
    lines = (DEMOS / "webcam_stop_sign.py").read_text().splitlines()
    assert len(lines) < 40


def watch(source, detector, image):
    return demo("webcam_stop_sign.py", source, "--model", detector, "--runtime",
                "onnxruntime:cpu", "--frames", 20, "--save", image)  # fmt: skip


def test_a_webcam_program_saves_what_it_saw(red_detector, tmp_path):
    done = watch(STREET, red_detector, tmp_path / "seen.png")
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "seen.png")).shape == (240, 320, 3)


def test_a_webcam_program_says_when_a_sign_appears(red_detector, real_video, tmp_path):
    done = watch(real_video, red_detector, tmp_path / "seen.png")
    assert done.returncode == 0, done.stderr
    assert "appears" in done.stdout


def test_two_runtimes_are_compared_on_the_same_frames(red_detector, tmp_path):
    done = demo("compare_runtimes.py", STREET, "--models", red_detector, red_detector,
                "--runtimes", "onnxruntime:cpu", "opencv:cpu", "--frames", 20,
                "--record", tmp_path / "both.mp4")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "same boxes: 100.0% over 20 frames" in done.stdout
    capture = cv2.VideoCapture(str(tmp_path / "both.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 2 * 320


LIMITED = (
    "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)); "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def test_a_comparison_that_was_not_recorded_is_no_success(red_detector, tmp_path):
    """A limit on file size stands for the disk: the kernel refuses the write just the same."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, DEMOS / "compare_runtimes.py", "synthetic:640x480",
         "--models", red_detector, red_detector, "--runtimes", "onnxruntime:cpu", "opencv:cpu",
         "--frames", "10", "--record", tmp_path / "both.mp4"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "same boxes" in done.stdout
    assert "recording stopped" in done.stderr


def test_the_video_that_is_compared_on_is_not_recorded_over(red_detector, video):
    before = video.read_bytes()
    done = demo("compare_runtimes.py", video, "--models", red_detector, red_detector,
                "--runtimes", "onnxruntime:cpu", "opencv:cpu", "--record", video)  # fmt: skip
    assert done.returncode == 2
    assert "is read here and would be overwritten" in done.stderr
    assert video.read_bytes() == before


def test_the_pi_program_runs_without_a_pi(red_detector):
    done = demo("raspberry_pi.py", "synthetic:160x120", "--model", red_detector, "--runtime",
                "onnxruntime:cpu", "--serve", ":0", "--frames", 5)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "watch at http://127.0.0.1:" in done.stdout


def test_a_demo_without_its_camera_says_so_in_a_line(red_detector):
    done = demo("raspberry_pi.py", "41", "--model", red_detector, "--runtime", "onnxruntime:cpu",
                "--serve", ":0")  # fmt: skip
    assert done.returncode == 2
    assert "no camera 41" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_demo_has_its_part_in_the_readme():
    readme = (DEMOS / "README.md").read_text()
    for program in DEMOS.glob("*.py"):
        assert f"## {program.name}" in readme
