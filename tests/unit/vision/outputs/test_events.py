from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.outputs.events import EventLog
from edgecnn.vision.sources.frames import Frame
from edgecnn.vision.tracking import Track, TrackChange

FRAME = Frame(np.zeros((4, 4, 3), np.uint8), 7, 0, 1.25)
TRACK = Track(3, (1.04, 2.0, 30.26, 40.0), 0.61234, True, 9, 0.25, 1.25, 0.87654)


def test_a_line_says_what_where_when_and_how_sure(tmp_path):
    log = EventLog(tmp_path / "out.jsonl")
    log.write([TrackChange("appear", TRACK)], FRAME)
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()  # before it is closed
    log.close()
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "event": "appear",
        "seconds": 1.25,
        "track": 3,
        "label": "stop sign",
        "score": 0.6123,
        "xyxy": [1.0, 2.0, 30.3, 40.0],
        "frame": 7,
    }


def test_a_sign_that_leaves_tells_how_long_it_stayed_and_its_best_score(tmp_path):
    log = EventLog(tmp_path / "out.jsonl")
    log.write([TrackChange("leave", TRACK)], None)
    log.close()
    event = json.loads((tmp_path / "out.jsonl").read_text())
    assert (event["stayed_s"], event["score"]) == (1.0, 0.8765)


def test_a_log_that_is_there_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("dear\n")
    with pytest.raises(InputError, match="exists already"):
        EventLog(path)
    assert path.read_text() == "dear\n"
    EventLog(path, force=True).close()


def test_a_run_that_ends_before_its_first_frame_leaves_no_log(tmp_path):
    path = tmp_path / "out.jsonl"
    log = EventLog(path)
    log.write([], None)
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_logged_before_stays_until_the_first_frame(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("dear\n")
    log = EventLog(path, force=True)
    log.write([], None)
    log.close()
    assert path.read_text() == "dear\n"


def test_a_run_without_events_has_an_empty_log_of_its_own(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("dear\n")
    log = EventLog(path, force=True)
    log.write([], FRAME)
    log.close()
    assert path.read_text() == ""


def test_a_device_takes_a_log(tmp_path):
    log = EventLog(Path("/dev/null"), force=True)
    log.write([TrackChange("appear", TRACK)], FRAME)
    log.close()
    assert log.trouble == ""
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        EventLog(tmp_path / "file" / "out.jsonl")


def test_a_full_disk_ends_the_log_at_a_whole_line(tmp_path, monkeypatch):
    """A limit on file size stands for the disk: the kernel refuses the write just the same."""
    path = tmp_path / "out.jsonl"
    log = EventLog(path)
    log.write([TrackChange("appear", TRACK)], FRAME)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
        log.write([TrackChange("leave", TRACK)], FRAME)
        log.write([TrackChange("leave", TRACK)], FRAME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    log.close()
    assert log.trouble.startswith("events stopped")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["appear"]
