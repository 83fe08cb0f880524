from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.sources import street as street_module
from edgecnn.vision.sources.street import Street, open_street


def test_a_frame_is_the_same_whenever_it_is_drawn():
    one, other = Street(3, width=160, height=120), Street(3, width=160, height=120)
    one.draw(5)
    assert (one.draw(200) == other.draw(200)).all()
    assert (Street(4, width=160, height=120).draw(200) != other.draw(200)).any()


def test_the_street_comes_nearer():
    street = Street(0, width=160, height=120)
    frames = [street.draw(tick).astype(int) for tick in (30, 31, 200)]
    assert 0 < np.abs(frames[1] - frames[0]).mean() < np.abs(frames[2] - frames[0]).mean()


class Clock:
    """Time that passes only while somebody sleeps, or when it is set."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(street_module, "time", clock)
    return clock


def test_a_live_street_waits_until_its_next_frame_is_due(clock: Clock):
    reader, drawn = open_street("synthetic:128x96@50"), Street(0, width=128, height=96, fps=50)
    for tick in range(3):
        image, _, _ = reader.read()
        assert clock.now == pytest.approx(100 + tick / 50)
        np.testing.assert_array_equal(image, drawn.draw(tick))


def test_a_live_street_leaves_out_the_frames_that_nobody_took(clock: Clock):
    reader, drawn = open_street("synthetic:128x96@50"), Street(0, width=128, height=96, fps=50)
    reader.read()
    clock.now += 0.55  # 27.5 frames
    image, _, _ = reader.read()
    assert clock.now == 100.55  # late already: there is nothing to wait for
    np.testing.assert_array_equal(image, drawn.draw(27))


@pytest.mark.parametrize("address", ["synthetic:x", "synthetic:10x10", "synthetic:640x480@0"])
def test_a_street_that_cannot_be_says_how_it_could(address: str):
    with pytest.raises(InputError):
        open_street(address)
