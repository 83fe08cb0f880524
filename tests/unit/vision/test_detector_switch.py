"""What a switch of detectors says while another is loaded in the background."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from edgecnn.vision.live.notices import Notices
from edgecnn.vision.live.running import LiveRun
from edgecnn.vision.live.settings import LiveSettings
from edgecnn.vision.pipeline import DetectorSpec
from edgecnn.vision.pipeline.detecting import DetectorSwitch

FIRST, OTHER = DetectorSpec("first", "litert:cpu"), DetectorSpec("other", "litert:cpu")


def detector(image: np.ndarray) -> list[object]:
    return []


def test_what_is_said_while_a_notice_is_made_is_the_next_notice(monkeypatch):
    switch = DetectorSwitch(detector, FIRST, lambda _: detector)
    pipeline = SimpleNamespace(switch=switch, capture=SimpleNamespace(trouble=""))
    run = LiveRun(LiveSettings.__new__(LiveSettings), print)
    shown: list[str] = []

    def notify(self: Notices, notice: str) -> None:
        shown.append(notice)
        switch.wait(10)  # the loader is done before the notice is

    monkeypatch.setattr(Notices, "notify", notify)
    switch.message = "loading"
    switch.request(OTHER)
    for _ in range(3):
        run._report_troubles(pipeline)
    assert shown[-1] == "now other on litert:cpu"


def test_a_message_is_taken_once():
    switch = DetectorSwitch(detector, FIRST, lambda _: detector)
    switch.request(OTHER)
    switch.wait(10)
    assert switch.take_message() == "now other on litert:cpu"
    assert switch.take_message() == ""
