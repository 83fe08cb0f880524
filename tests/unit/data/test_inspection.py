"""Inspecting data: what is planted in a small data set is found, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from edgecnn.cli import invoke
from edgecnn.data.base import Dataset, Split
from edgecnn.data.inspection import Place, inspect
from edgecnn.errors import InputError


def dataset(train, test, modality="image", task="classification"):
    """A data set of two classes; each split is a list of (sample, label)."""
    splits = {
        name: Split(tuple(s for s, _ in pairs), np.asarray([n for _, n in pairs], np.int64))
        for name, pairs in (("train", train), ("test", test))
    }
    return Dataset("small", task, ("no", "yes"), splits, "0" * 64, (4, 4, 1), modality=modality)


def noise(seed, shape=(4, 4, 1)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_sample_in_two_splits_is_leakage_and_its_other_label_a_conflict():
    found = inspect(dataset([(noise(1), 0), (noise(2), 1)], [(noise(1), 1), (noise(3), 0)]))
    group = (Place("train", 0, "no"), Place("test", 0, "yes"))
    assert found.duplicates == found.leakage == found.conflicts == (group,)
    assert found.faulty


def test_duplicates_within_a_split_are_no_leakage():
    found = inspect(dataset([(noise(1), 0), (noise(1), 0)], [(noise(3), 0)]))
    assert len(found.duplicates) == 1
    assert not found.faulty


def test_counts_sizes_and_blank_samples():
    wide = noise(5, (4, 9, 1))
    found = inspect(dataset([(noise(1), 0), (wide, 1)], [(np.zeros((6, 4, 1), np.uint8), 1)]))
    assert found.counts == {"train": {"no": 1, "yes": 1}, "test": {"no": 0, "yes": 1}}
    assert found.sizes == {"height": (4, 4, 6), "width": (4, 4, 9), "channels": (1, 1, 1)}
    assert found.blank == (Place("test", 0, "yes"),)


def test_texts_are_measured_in_words():
    found = inspect(dataset([("a good film", 1), ("bad", 0)], [(" ", 0)], modality="text"))
    assert found.sizes == {"words": (0, 1, 3)}
    assert found.blank == (Place("test", 0, "no"),)


def test_the_median_of_an_even_number_lies_between():
    found = inspect(dataset([("a b", 1)], [("a b c", 0)], modality="text"))
    assert found.sizes == {"words": (2, 2.5, 3)}


def test_another_task_is_refused():
    with pytest.raises(InputError, match="detection"):
        inspect(dataset([], [], task="detection"))


@pytest.fixture
def leaking(tmp_path):
    """A picture folder with ready-made splits; one picture of train is in test too."""
    for number, (split, name) in enumerate(
        (split, name) for split in ("train", "validation", "test") for name in ("cat", "dog")
    ):
        folder = tmp_path / split / name
        folder.mkdir(parents=True)
        for index in range(4):
            Image.fromarray(noise(10 * number + index, (6, 6, 3))).save(folder / f"{index}.png")
    Image.fromarray(noise(0, (6, 6, 3))).save(tmp_path / "test" / "cat" / "copy.png")
    return tmp_path


def test_the_command_tells_and_fails_only_when_strict(leaking, capsys):
    assert invoke(["data", "inspect", f"folder:{leaking}"]) == 0
    assert "LEAKAGE, equal samples in two splits: 1" in capsys.readouterr().out
    assert invoke(["data", "inspect", f"folder:{leaking}", "--strict", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["leakage"]) == 1
