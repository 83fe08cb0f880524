"""Changes at random are small, reproducible, and leave what a class is made of."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.preprocessing import SpectrogramPreprocessing
from edgecnn.training.augmentation import (
    LEVELS,
    augmentation_for,
    mirrored_by_default,
    random_shift,
)
from edgecnn.training.augmentation.images import ImageAugmentation, warp
from edgecnn.training.augmentation.spectrograms import Spectrograms

IMAGES = np.random.default_rng(0).normal(size=(200, 8, 9, 2)).astype(np.float32)


def shifted(pixels, seed=0):
    return random_shift(IMAGES, pixels, np.random.default_rng(seed))


def test_no_shift_leaves_images_as_they_are():
    np.testing.assert_array_equal(shifted(0), IMAGES)


def test_the_inside_of_an_image_moves_as_one():
    for before, after in zip(IMAGES, shifted(1), strict=True):
        moved = [
            np.array_equal(after[1:-1, 1:-1], before[1 - down : 7 - down, 1 - right : 8 - right])
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        ]
        assert sum(moved) == 1


def test_every_direction_occurs():
    down = {
        move
        for before, after in zip(IMAGES, shifted(1), strict=True)
        for move in (-1, 0, 1)
        if np.array_equal(after[1:-1, 4], before[1 - move : 7 - move, 4])
    }

    assert down == {-1, 0, 1}


def test_what_moves_in_is_the_edge_and_not_a_new_color():
    paper = np.full((50, 8, 8, 1), -0.4, np.float32)
    paper[:, 3:5, 3:5] = 2.8

    after = random_shift(paper, 2, np.random.default_rng(0))

    assert set(np.unique(after)) == set(np.unique(paper))
    assert (after == np.float32(2.8)).sum() == (paper == np.float32(2.8)).sum()


def test_the_same_generator_gives_the_same_shifts():
    np.testing.assert_array_equal(shifted(2, seed=3), shifted(2, seed=3))


MODALITIES = {
    "image": IMAGES[:20, :, :, [0, 1, 1]],
    "volume": np.random.default_rng(1).integers(0, 2, (6, 5, 5, 5, 1)).astype(np.float32),
    "signal": np.random.default_rng(2).normal(size=(6, 40, 1)).astype(np.float32),
    "text": np.random.default_rng(3).integers(0, 50, (6, 20)).astype(np.int32),
    "spectrogram": np.random.default_rng(4).uniform(0, 1, (6, 40, 20)).astype(np.float32),
}


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("modality", MODALITIES)
def test_changed_samples_keep_shape_and_type_and_the_originals_stay(modality, level):
    before = MODALITIES[modality].copy()
    augment = augmentation_for(modality, level)

    after = augment(MODALITIES[modality], np.random.default_rng(0))

    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert np.isfinite(after).all()
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(MODALITIES[modality], before)
    again = augment(MODALITIES[modality], np.random.default_rng(0))
    np.testing.assert_array_equal(again, after)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_map_that_moves_nothing_leaves_images_as_they_are(channels):
    images = np.ascontiguousarray(IMAGES[..., [0, 1, 0][:channels]])
    still = np.broadcast_to(np.float32([[1, 0, 0], [0, 1, 0]]), (200, 2, 3))

    np.testing.assert_allclose(warp(images, still), images, atol=1e-6)


def test_a_half_turn_about_the_middle_is_both_mirrors():
    half_turn = np.broadcast_to(np.float32([[-1, 0, 0], [0, -1, 0]]), (200, 2, 3))

    np.testing.assert_allclose(warp(IMAGES, half_turn), IMAGES[:, ::-1, ::-1], atol=1e-5)


def test_images_that_move_are_mirrored_too():
    hardly = ImageAugmentation(shift=1e-7, mirror=True)(IMAGES, np.random.default_rng(0))

    same = [np.allclose(a, b, atol=1e-4) for a, b in zip(hardly, IMAGES, strict=True)]
    flipped = [np.allclose(a, b[:, ::-1], atol=1e-4) for a, b in zip(hardly, IMAGES, strict=True)]
    assert 50 < sum(same) < 150
    assert all(one or other for one, other in zip(same, flipped, strict=True))


def test_light_changes_an_image_about_its_own_mean():
    lit = ImageAugmentation(contrast=0.5, scale=1.0)(IMAGES * 0 + 100, np.random.default_rng(0))
    np.testing.assert_allclose(lit, 100, rtol=1e-5)

    gray = np.random.default_rng(1).uniform(100, 150, (50, 8, 9, 3)).astype(np.float32)
    lit = ImageAugmentation(contrast=0.5, scale=1.0)(gray, np.random.default_rng(0))

    np.testing.assert_allclose(lit.mean(axis=(1, 2)), gray.mean(axis=(1, 2)), rtol=1e-4)
    factors = lit.std(axis=(1, 2)) / gray.std(axis=(1, 2))
    np.testing.assert_allclose(factors, factors[:, :1].repeat(3, axis=1), rtol=1e-3)
    assert 0.66 < factors.min() < 0.8
    assert 1.3 < factors.max() < 1.51


def test_a_map_by_whole_pixels_moves_whole_pixels():
    one_left = np.broadcast_to(np.float32([[1, 0, 1], [0, 1, 0]]), (200, 2, 3))

    moved = warp(IMAGES, one_left)

    np.testing.assert_allclose(moved[:, :, :-1], IMAGES[:, :, 1:], atol=1e-5)
    np.testing.assert_allclose(moved[:, :, -1], IMAGES[:, :, -1], atol=1e-5)


def test_lit_images_stay_between_black_and_white():
    scale = ImageAugmentation(brightness=1.0, contrast=1.0, mean=(0.4,), std=(0.2,))

    lit = scale(IMAGES, np.random.default_rng(0))

    assert lit.min() >= np.float32(-0.4 / 0.2) - 1e-6
    assert lit.max() <= np.float32(0.6 / 0.2) + 1e-6


def test_images_are_mirrored_only_where_that_was_asked_for():
    assert augmentation_for("image", "none") is None
    mirrored = augmentation_for("image", "none", mirror=True)(IMAGES, np.random.default_rng(0))

    same = [np.array_equal(a, b) for a, b in zip(mirrored, IMAGES, strict=True)]
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(mirrored, IMAGES, strict=True)]
    assert 50 < sum(same) < 150
    assert all(one or other for one, other in zip(same, flipped, strict=True))
    assert mirrored_by_default("cifar10")
    assert not any(map(mirrored_by_default, ("mnist", "gtsrb", "folder:signs")))


def test_solids_keep_what_is_above_what():
    solids = np.zeros((8, 4, 4, 4, 1), np.float32)
    solids[:, 1, :, 0] = 1  # a bar on the ground

    turned = augmentation_for("volume", "light")(solids, np.random.default_rng(0))

    assert (turned[:, :, :, 0].sum(axis=(1, 2, 3)) == 4).all()
    assert len({solid.tobytes() for solid in turned}) == 4


BLIP = np.zeros((50, 40, 20), np.float32)
BLIP[:, 18:22, 8:12] = 1


def middles(spectrograms):
    """Middle frame and band of what sounds, (batch,) each."""
    loudness = spectrograms.sum(axis=(1, 2))
    return (
        (spectrograms.sum(axis=2) * np.arange(40)).sum(axis=1) / loudness,
        (spectrograms.sum(axis=1) * np.arange(20)).sum(axis=1) / loudness,
    )


def test_signals_that_are_spectrograms_are_changed_as_such():
    chosen = augmentation_for("signal", "light", preprocessing=SpectrogramPreprocessing(40, 20))

    assert isinstance(chosen, Spectrograms)
    assert augmentation_for("signal", "none", preprocessing=SpectrogramPreprocessing(40)) is None


def test_a_spectrogram_moves_in_time_and_in_pitch_within_its_bounds():
    moved = Spectrograms(shift=0.1, bands=2.0)(BLIP, np.random.default_rng(0))
    frames, bands = middles(moved)

    np.testing.assert_allclose(moved.sum(axis=(1, 2)), 16, rtol=1e-4)
    assert 2 < np.abs(frames - 19.5).max() <= 4.001
    assert 1 < np.abs(bands - 9.5).max() <= 2.001


def test_a_slower_spectrogram_lasts_longer():
    lasting = Spectrograms(stretch=0.5)(BLIP, np.random.default_rng(0))[:, :, 10].sum(axis=1)

    assert 2.3 < lasting.min() < 3.2
    assert 5 < lasting.max() < 6.4


def test_another_microphone_changes_bands_within_bounds_and_the_same_in_all_frames():
    gray = np.full((50, 40, 20), 0.5, np.float32)

    gains = Spectrograms(color=0.2)(gray, np.random.default_rng(0)) - 0.5

    np.testing.assert_allclose(gains, gains[:, :1].repeat(40, axis=1), atol=1e-6)
    assert 0.15 < np.abs(gains).max() <= 0.2
    assert np.abs(np.diff(gains[:, 0], axis=1)).max() <= 0.4 * 5 / 19 + 1e-6
    assert (gains[:, 0].std(axis=1) > 0.02).all()


def test_masks_noise_and_color_leave_the_silence_around_a_sound_silent():
    augment = Spectrograms(color=0.3, floor=0.3, noise=0.1, frames_masked=2, bands_masked=3)

    after = augment(BLIP, np.random.default_rng(0))

    assert 0 <= after.min() <= after.max() <= 1
    assert not after[:, :18].any()
    assert not after[:, 22:].any()
    assert (after[:, 18:22] == 0).any()


def test_padding_is_never_taken_for_a_word():
    words = MODALITIES["text"]

    after = augmentation_for("text", "strong")(words, np.random.default_rng(0))

    np.testing.assert_array_equal(after[words < 2], words[words < 2])
    assert set(after[after != words]) == {1}
