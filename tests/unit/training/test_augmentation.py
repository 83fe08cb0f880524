"""Shifts move whole pictures, a little, and reproducibly."""

from __future__ import annotations

import numpy as np

from edgecnn.training.augmentation import random_shift

PICTURES = np.random.default_rng(0).normal(size=(200, 8, 9, 2)).astype(np.float32)


def shifted(pixels, seed=0):
    return random_shift(PICTURES, pixels, np.random.default_rng(seed))


def test_no_shift_leaves_pictures_as_they_are():
    np.testing.assert_array_equal(shifted(0), PICTURES)


def test_the_inside_of_a_picture_moves_as_one():
    for before, after in zip(PICTURES, shifted(1), strict=True):
        moved = [
            np.array_equal(after[1:-1, 1:-1], before[1 - down : 7 - down, 1 - right : 8 - right])
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        ]
        assert sum(moved) == 1


def test_every_direction_occurs():
    down = {
        move
        for before, after in zip(PICTURES, shifted(1), strict=True)
        for move in (-1, 0, 1)
        if np.array_equal(after[1:-1, 4], before[1 - move : 7 - move, 4])
    }

    assert down == {-1, 0, 1}


def test_what_moves_in_is_the_edge_and_not_a_new_colour():
    paper = np.full((50, 8, 8, 1), -0.4, np.float32)
    paper[:, 3:5, 3:5] = 2.8

    after = random_shift(paper, 2, np.random.default_rng(0))

    assert set(np.unique(after)) == set(np.unique(paper))
    assert (after == np.float32(2.8)).sum() == (paper == np.float32(2.8)).sum()


def test_the_same_generator_gives_the_same_shifts():
    np.testing.assert_array_equal(shifted(2, seed=3), shifted(2, seed=3))
