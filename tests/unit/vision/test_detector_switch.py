"""What a switch of detectors says while another is loaded in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from edgecnn.vision.live.notices import Notices
from edgecnn.vision.live.running import LiveRun
from edgecnn.vision.live.settings import LiveSettings
from edgecnn.vision.pipeline import DetectorSpec
from edgecnn.vision.pipeline.detecting import DetectorSwitch
from edgecnn.vision.sources import parse_source

FIRST, OTHER = DetectorSpec("first", "litert:cpu"), DetectorSpec("other", "litert:cpu")


def detector(image: np.ndarray) -> list[object]:
    return []


def test_what_is_said_while_a_notice_is_made_is_the_next_notice(monkeypatch):
    noticed = threading.Event()

    def load(choice: DetectorSpec) -> Callable[[np.ndarray], list[object]]:
        noticed.wait(10)
        return detector

    switch = DetectorSwitch(detector, FIRST, load)
    run = LiveRun(LiveSettings(parse_source("0"), FIRST), print)
    pipeline = SimpleNamespace(switch=switch, capture=SimpleNamespace(trouble=""))
    shown: list[str] = []

    def notify(self: Notices, notice: str) -> None:
        shown.append(notice)
        noticed.set()
        switch.wait(10)  # the detector is loaded before the notice is made

    monkeypatch.setattr(Notices, "notify", notify)
    switch.request(OTHER)
    run._report_troubles(pipeline)
    run._report_troubles(pipeline)
    assert shown == ["loading other on litert:cpu …", "now other on litert:cpu"]


def test_a_message_is_taken_once():
    switch = DetectorSwitch(detector, FIRST, lambda _: detector)
    switch.request(OTHER)
    switch.wait(10)
    assert switch.take_message() == "now other on litert:cpu"
    assert switch.take_message() == ""
