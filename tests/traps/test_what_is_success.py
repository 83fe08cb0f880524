"""A command that did not do what was asked does not look as if it had."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from edgecnn.cli import invoke
from edgecnn.results import Results
from tests.unit.test_results import FULL


def test_a_row_that_cannot_be_read_is_counted_and_named(tmp_path: Path, capsys):
    document = json.loads(json.dumps(FULL.to_dict()))
    document["measurements"][0]["runs"][0]["samples_ns"][3] = float("nan")
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document))

    assert len(Results.load(path).left_out) == 1
    assert invoke(["report", str(path), "--out", str(tmp_path / "r.md")]) == 0
    said = capsys.readouterr().err
    assert "row 1 (m.tflite on litert) left out" in said
    assert "measurements[0].runs[0].samples_ns[3]" in said
    whole = tmp_path / "whole.json"
    FULL.save(whole)
    assert invoke(["compare", str(whole), str(path)]) != 0


@pytest.mark.parametrize("name", ["none.avi", "none.mp4"])
def test_a_video_without_a_frame_is_no_success(tmp_path: Path, capsys, name: str):
    path = tmp_path / name
    fourcc = cv2.VideoWriter.fourcc(*("MJPG" if name.endswith("avi") else "mp4v"))
    cv2.VideoWriter(str(path), fourcc, 20, (320, 240)).release()

    assert invoke(["detect", str(path), "--headless"]) == 2
    assert "Traceback" not in capsys.readouterr().err
