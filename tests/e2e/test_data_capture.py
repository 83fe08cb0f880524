"""edgecnn data capture, as users meet it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

EDGECNN = [sys.executable, "-c", "from edgecnn.cli import main; main()", "data", "capture"]


def capture(*arguments: object, **more) -> subprocess.CompletedProcess[str]:
    command = [*EDGECNN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **more)


def test_three_images_without_a_camera_or_a_screen(tmp_path):
    done = capture("synthetic", "--label", "road", "--out", "set", "--headless", "--count", 3,
                   "--every", "0.1s", "--min-difference", 0, cwd=tmp_path)  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "3 images in set (road 3)" in done.stdout
    names = sorted(path.name for path in (tmp_path / "set/road").iterdir())
    assert names == ["00001.png", "00002.png", "00003.png"]


def test_ctrl_c_keeps_what_was_taken(tmp_path):
    command = [*EDGECNN, "synthetic:160x120", "--label", "road", "--out", "set", "--headless"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)

    assert "00001.png" in first, err
    assert running.returncode == 130
    assert "images in set (road" in out
    assert err.strip() == "interrupted"
    assert (tmp_path / "set/road/00001.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such.mp4", "--headless"], "no such source"),
        (["77", "--headless"], "camera 77"),
        (["synthetic", "--headless", "--every", "soon"], "expected a duration"),
        (["synthetic"], "no display"),
    ],
)
def test_bad_input_is_a_line_and_exit_code_2(tmp_path, arguments, says, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = capture(*arguments, "--label", "road", "--out", tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
