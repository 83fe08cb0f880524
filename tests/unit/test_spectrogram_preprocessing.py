"""Sounds become what the ear hears of them: the right bands, when they sound, and no level."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.preprocessing import SpectrogramPreprocessing, preprocessing_from_dict
from edgecnn.preprocessing.spectrogram import mel_triangles

TIME = np.arange(8000) / 8000
RAW = SpectrogramPreprocessing(97)
"""A second gives 97 windows: nothing is cut off and nothing added."""
NOISE = np.random.default_rng(0).normal(size=8000)


def band_of(hertz, bands=40, rate=8000):
    edges = np.linspace(*(2595 * np.log10(1 + np.asarray([60, rate / 2]) / 700)), bands + 2)
    return int(np.abs(edges[1:-1] - 2595 * np.log10(1 + hertz / 700)).argmin())


@pytest.mark.parametrize("hertz", [200, 440, 1000, 2500, 3700])
def test_a_tone_is_loudest_in_its_own_band(hertz):
    spectrogram = RAW(np.sin(2 * np.pi * hertz * TIME))

    assert spectrogram.shape == (97, 40)
    assert abs(int(spectrogram.mean(axis=0).argmax()) - band_of(hertz)) <= 1


def test_what_sounds_later_stands_later():
    click = np.zeros(8000)
    click[2000:2040] = 1
    later = np.roll(click, 10 * 80)

    np.testing.assert_allclose(RAW(later)[10:], RAW(click)[:-10], atol=1e-6)


def test_how_loud_a_recording_is_does_not_matter():
    loud = (NOISE * 8000).astype(np.int16)

    np.testing.assert_allclose(RAW(loud), RAW(loud / 32768), atol=1e-5)


def test_the_loudest_is_1_and_the_floor_0():
    burst = NOISE * np.where(TIME < 0.5, 1, 1e-4)
    spectrogram = RAW(burst)

    assert spectrogram.max() == 1
    assert not spectrogram[52:].any()
    np.testing.assert_allclose(RAW(burst * 100), spectrogram, atol=1e-6)


@pytest.mark.parametrize("sound", [np.zeros(4000, np.int16), np.zeros(1), np.ones(3)])
def test_silence_and_the_shortest_sounds_give_numbers(sound):
    spectrogram = SpectrogramPreprocessing(50)(sound)

    assert spectrogram.dtype == np.float32
    assert np.isfinite(spectrogram).all()


def test_short_sounds_are_centered_among_zeros():
    spectrogram = SpectrogramPreprocessing(40)(NOISE[: 256 + 19 * 80])

    assert not spectrogram[:10].any()
    assert not spectrogram[30:].any()
    assert spectrogram[10:30].any(axis=1).all()


def test_of_long_sounds_the_loudest_stretch_is_kept():
    quiet = NOISE * 0.001
    quiet[5600:7200] *= 1000

    kept = SpectrogramPreprocessing(20)(quiet)

    assert (kept.mean(axis=1) > 0.3).sum() >= 18


def test_channels_are_averaged():
    stereo = np.stack([NOISE, np.roll(NOISE, 3)], axis=1)

    np.testing.assert_allclose(RAW(stereo), RAW(stereo.mean(axis=1)), atol=1e-6)


@pytest.mark.parametrize(
    ("bands", "rate", "size"), [(40, 8000, 256), (80, 8000, 128), (32, 44100, 2048)]
)
def test_every_band_hears_something(bands, rate, size):
    weights = mel_triangles(bands, rate, size, 60.0)

    assert weights.shape == (size // 2 + 1, bands)
    assert (weights.max(axis=0) > 0).all()
    assert 0 <= weights.min() <= weights.max() <= 1


@pytest.mark.parametrize(
    "settings",
    [
        {"frames": 0},
        {"bands": 0},
        {"hop": 0.0},
        {"window": 1e-4},
        {"window": 1e308},
        {"hop": 61.0},
        {"lowest": 4000.0},
        {"floor_db": 0.0},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InputError):
        SpectrogramPreprocessing(**({"frames": 8} | settings))


@pytest.mark.parametrize("shape", [(0,), (4, 0), (2, 3, 4), ()])
def test_what_is_no_sound_is_refused(shape):
    with pytest.raises(InputError, match="a sound is"):
        RAW(np.zeros(shape))


def test_it_survives_json_and_says_what_tensor_it_makes():
    original = SpectrogramPreprocessing(48, 32, 16000, 0.025, 0.0125, 20.0, 50.0)
    again = preprocessing_from_dict(json.loads(json.dumps(original.to_dict())))

    assert again == original
    assert (again.shape, again.layout, again.dtype) == ((48, 32), "NLC", "float32")
