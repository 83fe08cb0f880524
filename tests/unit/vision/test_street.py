from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.street import Street, open_street


def test_a_frame_is_the_same_whenever_it_is_drawn():
    one, other = Street(3, width=160, height=120), Street(3, width=160, height=120)
    one.draw(5)
    assert (one.draw(200) == other.draw(200)).all()
    assert (Street(4, width=160, height=120).draw(200) != other.draw(200)).any()


def test_the_street_comes_nearer():
    street = Street(0, width=160, height=120)
    frames = [street.draw(tick).astype(int) for tick in (30, 31, 200)]
    assert 0 < np.abs(frames[1] - frames[0]).mean() < np.abs(frames[2] - frames[0]).mean()


def test_a_live_street_keeps_the_clock():
    reader = open_street("synthetic:128x96@50")
    shapes = {reader.read()[0].shape for _ in range(3)}
    assert shapes == {(96, 128, 3)}


@pytest.mark.parametrize("address", ["synthetic:x", "synthetic:10x10", "synthetic:640x480@0"])
def test_a_street_that_cannot_be_says_how_it_could(address: str):
    with pytest.raises(InputError):
        open_street(address)
