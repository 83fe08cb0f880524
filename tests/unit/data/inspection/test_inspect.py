"""Inspecting data: what is planted in a small data set is found, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgecnn.cli import invoke
from edgecnn.data import load
from edgecnn.data.base import Dataset, Split
from edgecnn.data.inspection import contact_sheet
from edgecnn.data.inspection.inspect import SampleLocation, inspect


def dataset(train, test, modality="image"):
    """A data set of two classes; each split is a list of (sample, label)."""
    splits = {
        name: Split(tuple(s for s, _ in pairs), np.asarray([n for _, n in pairs], np.int64))
        for name, pairs in (("train", train), ("test", test))
    }
    return Dataset(
        "small", "classification", ("no", "yes"), splits, "0" * 64, (4, 4, 1), modality=modality
    )


def noise(seed, shape=(4, 4, 1)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_sample_in_two_splits_is_leakage_and_its_other_label_a_conflict():
    found = inspect(dataset([(noise(1), 0), (noise(2), 1)], [(noise(1), 1), (noise(3), 0)]))
    group = (SampleLocation("train", 0, "no"), SampleLocation("test", 0, "yes"))
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
    assert found.blank == (SampleLocation("test", 0, "yes"),)


def test_texts_are_measured_in_words():
    found = inspect(dataset([("a good film", 1), ("bad", 0)], [(" ", 0)], modality="text"))
    assert found.sizes == {"words": (0, 1, 3)}
    assert found.blank == (SampleLocation("test", 0, "no"),)


def test_the_median_of_an_even_number_lies_between():
    found = inspect(dataset([("a b", 1)], [("a b c", 0)], modality="text"))
    assert found.sizes == {"words": (2, 2.5, 3)}


def coarse(seed):
    return noise(seed, (6, 6, 3)).repeat(8, axis=0).repeat(8, axis=1)


def test_a_darker_copy_in_another_split_is_near_leakage_and_no_exact_duplicate():
    darker = (coarse(1) * 0.7).astype(np.uint8)
    found = inspect(dataset([(coarse(1), 0), (coarse(2), 1)], [(darker, 0), (coarse(3), 1)]))
    group = (SampleLocation("train", 0, "no"), SampleLocation("test", 0, "no"))
    assert found.near_duplicates == found.near_leakage == (group,)
    assert found.duplicates == ()
    assert not found.faulty
    assert found.to_dict()["near_leakage"][0][1]["split"] == "test"


def test_equal_images_are_no_near_duplicates():
    found = inspect(dataset([(coarse(1), 0), (coarse(1), 0)], [(coarse(3), 1)]))
    assert len(found.duplicates) == 1
    assert found.near_duplicates == ()


def test_color_modes_are_counted():
    gray = np.repeat(noise(1), 3, axis=2)
    found = inspect(dataset([(noise(2), 0), (noise(3, (4, 4, 3)), 1)], [(gray, 0)]))
    assert found.facts == {"modes": {"gray": 1, "color": 1, "gray, stored as color": 1}}


def test_words_that_training_did_not_have_are_a_share():
    data = dataset([("a good film", 1), ("a bad film", 0)], [("a good book", 1)], modality="text")
    data = replace(data, preprocessing_hints={"vocabulary": ("a", "film", "good", "bad")})
    facts = inspect(data).facts
    assert facts["vocabulary"] == 4
    assert facts["share of unknown words"] == {"train": 0.0, "test": 0.3333}


def test_level_and_clipping_of_signals():
    loud = np.full(100, 32767, np.int16)
    loud[50:] *= -1
    half = np.full(100, 16384, np.int16)
    facts = inspect(dataset([(loud, 0)], [(half, 1)], modality="signal")).facts
    assert facts["level in dBFS"]["max"] == pytest.approx(0, abs=0.01)
    assert facts["level in dBFS"]["min"] == pytest.approx(-6.02, abs=0.01)
    assert facts["share of clipped values"] == 0.5
    assert facts["recordings with clipping"] == 1


def test_occupancy_of_volumes():
    volume = np.zeros((4, 4, 4), np.uint8)
    volume[0] = 1
    facts = inspect(dataset([(volume, 0)], [(volume + 1, 1)], modality="volume")).facts
    assert facts["share occupied"] == {"min": 0.25, "median": 0.625, "max": 1.0}


def test_a_sample_that_cannot_be_read_is_told_and_the_rest_inspected(leaking):
    data = load(f"folder:{leaking}")
    (leaking / "train" / "cat" / "0.png").write_bytes(b"no image")
    found = inspect(data)
    assert len(found.skipped) == 1
    assert "0.png" in found.skipped[0]
    assert found.faulty


@pytest.fixture
def boxed(tmp_path):
    """Three images: two boxes that are nearly the same, one tiny box, none."""
    boxes = {0: [[2, 2, 20, 20], [2, 2, 20, 19]], 1: [[5, 5, 2, 10]], 2: []}
    for number in boxes:
        image = Image.fromarray(noise(number, (30, 40, 3)))
        image.save(tmp_path / f"{number}.png")
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 40, "height": 30}
            for number in boxes
        ],
        "annotations": [
            {"id": 1, "image_id": number, "category_id": 1, "bbox": box}
            for number, found in boxes.items()
            for box in found
        ],
        "categories": [{"id": 1, "name": "stop sign"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    return tmp_path


def test_boxes_are_counted_measured_and_doubted(boxed):
    found = inspect(load(f"coco:{boxed}"))
    assert found.counts == {"test": {"with stop sign": 2, "without": 1}}
    assert found.facts["boxes"] == 3
    assert found.facts["boxes per image"] == {"min": 0, "median": 1, "max": 2}
    assert found.facts["box width"] == {"min": 2, "median": 20, "max": 20}
    assert found.facts["images without a box"] == 1
    assert found.facts["box sizes"]["small (below 32²)"] == 3
    assert found.doubtful == (
        "0.png: 1 boxes drawn twice",
        "1.png: 1 boxes narrower than 4 pixels",
    )


def test_boxed_images_have_a_contact_sheet_with_their_boxes(boxed, tmp_path):
    assert invoke(["data", "inspect", f"coco:{boxed}", "--out", str(tmp_path / "found")]) == 0
    with Image.open(tmp_path / "found" / "contact-sheet.png") as sheet:
        colors = {color for _, color in sheet.convert("RGB").getcolors(1 << 20)}
    assert contact_sheet.BOX in colors


def test_each_class_of_boxes_has_its_row_its_sizes_and_its_count(tmp_path):
    for split, numbers in (("train", (0, 1)), ("test", (1, 2))):
        (tmp_path / split).mkdir()
        for number in numbers:  # 1 is in both splits
            image = Image.fromarray(noise(number, (30, 40, 3)))
            image.save(tmp_path / split / f"{number}.png")
        document = {
            "images": [
                {"id": number, "file_name": f"{number}.png", "width": 40, "height": 30}
                for number in numbers
            ],
            "annotations": [
                {"id": 1, "image_id": numbers[0], "category_id": 1, "bbox": [2, 2, 20, 18]},
                {"id": 2, "image_id": numbers[0], "category_id": 2, "bbox": [26, 4, 8, 6]},
                {"id": 3, "image_id": numbers[0], "category_id": 2, "bbox": [1, 1, 9, 9],
                 "ignore": 1},
            ],
            "categories": [{"id": 1, "name": "disc"}, {"id": 2, "name": "bar"}],
        }  # fmt: skip
        (tmp_path / split / "annotations.json").write_text(json.dumps(document))
    found = inspect(load(f"coco:{tmp_path}"))
    assert found.facts["boxes by class"] == {"disc": 2, "bar": 2}
    assert found.facts["longer side by class"]["bar"] == {"min": 8, "median": 8, "max": 8}
    assert [{at.split for at in group} for group in found.leakage] == [{"train", "test"}]
    contact_sheet.write(load(f"coco:{tmp_path}"), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        step = contact_sheet.BOXED_CELL + contact_sheet.GAP
        assert sheet.height == 6 * step + contact_sheet.GAP  # disc, bar and without, twice
        colors = {color for _, color in sheet.convert("RGB").getcolors(1 << 20)}
    assert {contact_sheet.BOX, contact_sheet.OTHER_BOX, contact_sheet.IGNORED_BOX} <= colors


@pytest.fixture
def leaking(tmp_path):
    """An image folder with ready-made splits; one image of train is in test too."""
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
