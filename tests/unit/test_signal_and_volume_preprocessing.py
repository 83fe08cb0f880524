"""Recordings and voxel grids to tensors: one rule for what is too long, too small, too quiet."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.preprocessing import (
    SignalPreprocessing,
    VolumePreprocessing,
    preprocessing_from_dict,
)


def test_a_short_signal_is_centered_among_zeros():
    tensor = SignalPreprocessing(6)(np.asarray([1, 2, 3], np.int16))

    assert tensor[:, 0].tolist() == [0, 1, 2, 3, 0, 0]
    assert tensor.dtype == np.float32


def test_a_long_signal_keeps_its_middle():
    assert SignalPreprocessing(3)(np.arange(7))[:, 0].tolist() == [2, 3, 4]


def test_values_are_scaled_then_standardized():
    tensor = SignalPreprocessing(2, scale=0.5, mean=(1.0,), std=(2.0,))(np.asarray([4, 8]))

    assert tensor[:, 0].tolist() == [0.5, 1.5]


def test_a_quiet_recording_is_as_loud_as_a_loud_one():
    wave = np.sin(np.arange(100, dtype=np.float32))
    preprocessing = SignalPreprocessing(100, level="rms")

    np.testing.assert_allclose(preprocessing(wave), preprocessing(wave * 0.01), atol=1e-5)
    assert np.sqrt(np.mean(preprocessing(wave) ** 2)) == pytest.approx(1, abs=1e-5)
    assert not preprocessing(np.zeros(50)).any()


def test_padding_does_not_change_the_level():
    loud = SignalPreprocessing(400, level="rms")(np.ones(100))

    assert loud.max() == pytest.approx(1)


def test_channels_are_kept_or_averaged():
    stereo = np.asarray([[1, 3], [2, 6]], np.int16)

    assert SignalPreprocessing(2, 2)(stereo).tolist() == [[1, 3], [2, 6]]
    assert SignalPreprocessing(2)(stereo).tolist() == [[2], [4]]
    with pytest.raises(InputError, match=r"\(samples, 3\), received: \(2, 2\)"):
        SignalPreprocessing(2, 3)(stereo)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 2, 2)])
def test_what_is_no_signal_is_refused(shape):
    with pytest.raises(InputError, match="a signal is"):
        SignalPreprocessing(4)(np.zeros(shape))


def test_a_small_grid_is_centered_in_the_field():
    tensor = VolumePreprocessing(32, 32, 32)(np.ones((30, 30, 30), np.uint8))

    assert tensor.shape == (32, 32, 32, 1)
    assert tensor[1:31, 1:31, 1:31].min() == 1
    assert tensor.sum() == 30**3


def test_a_large_grid_is_resampled_with_its_matter_kept():
    grid = np.zeros((64, 64, 64), np.uint8)
    grid[16:48, 16:48, 16:48] = 1

    tensor = VolumePreprocessing(32, 32, 32)(grid)

    assert tensor.shape == (32, 32, 32, 1)
    assert tensor[10:22, 10:22, 10:22].min() == pytest.approx(1, abs=1e-5)
    assert tensor.mean() == pytest.approx(grid.mean(), rel=0.01)


def test_a_grid_has_the_channels_it_should():
    assert VolumePreprocessing(2, 2, 2, 2)(np.ones((2, 2, 2, 2))).shape == (2, 2, 2, 2)
    with pytest.raises(InputError, match="a volume is"):
        VolumePreprocessing(2, 2, 2)(np.ones((2, 2, 2, 2)))
    with pytest.raises(InputError, match="a volume is"):
        VolumePreprocessing(2, 2, 2)(np.ones((2, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SignalPreprocessing(0),
        lambda: SignalPreprocessing(4, level="loud"),
        lambda: SignalPreprocessing(4, std=(0.0,)),
        lambda: VolumePreprocessing(4, 0, 4),
        lambda: VolumePreprocessing(4, 4, 4, mean=(1.0, 2.0)),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize(
    "original",
    [
        SignalPreprocessing(8, 2, 0.5, (0.1, 0.2), (1.0, 2.0), "rms"),
        VolumePreprocessing(4, 5, 6, 1, 0.5, (0.1,), (2.0,)),
    ],
    ids=["signal", "volume"],
)
def test_they_survive_json_and_say_what_tensor_they_make(original):
    again = preprocessing_from_dict(json.loads(json.dumps(original.to_dict())))

    assert again == original
    assert len(original.layout) == len(original.shape) + 1
    assert original.dtype == "float32"
