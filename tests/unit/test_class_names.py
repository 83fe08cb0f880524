"""Classes are the same however two sides write them, and never another one."""

from __future__ import annotations

import re

import pytest

from edgecnn.class_names import (
    coco_names,
    coco_names_by_id,
    imagenet_classes,
    imagenet_places,
    place_of,
    places_of,
    read_names,
)
from edgecnn.errors import InputError


@pytest.mark.parametrize(
    ("wanted", "names", "place"),
    [
        ("stop sign", ("person", "Stop_Sign"), 1),
        ("stop", ("person", "stop sign"), 1),
        ("stop sign", ("stop", "stop sign"), 1),  # the same name goes before a synonym
        ("motorbike", ("motorcycle",), 0),
        ("tvmonitor", ("tv",), 0),
        ("sign", ("stop sign",), None),
        ("", ("stop sign",), None),
    ],
)
def test_a_class_is_found_by_its_name(wanted, names, place):
    assert place_of(wanted, names) == place


def test_a_wanted_class_may_be_a_number():
    assert places_of(["1", "a"], ("a", "b"), whose="m") == (1, 0)
    with pytest.raises(InputError, match="m: no class '2'"):
        places_of(["2"], ("a", "b"), whose="m")


def test_cocos_numbers_are_the_two_that_detectors_use():
    assert len(coco_names()) == len(set(coco_names())) == 80
    assert [coco_names()[place] for place in (0, 11, 79)] == ["person", "stop sign", "toothbrush"]
    by_id = coco_names_by_id()
    assert len(by_id) == len(set(by_id)) == 90
    assert [by_id[number - 1] for number in (1, 13, 90)] == ["person", "stop sign", "toothbrush"]
    assert set(coco_names()) <= set(by_id)


def test_imagenets_classes_stand_in_the_order_of_their_wordnet_ids():
    classes = imagenet_classes()

    ids = [one.wordnet_id for one in classes]
    assert len(ids) == len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert all(re.fullmatch(r"n\d{8}", one) for one in ids)
    assert all(one.names and all(one.names) for one in classes)
    known = {0: "n01440764", 207: "n02099601", 217: "n02102040", 569: "n03417042", 999: "n15075141"}
    assert {place: ids[place] for place in known} == known
    assert "street sign" in classes[919].names


def test_labels_of_imagenet_are_ids_or_names():
    assert imagenet_places(["n01440764", "golf ball", "French_horn"]) == (0, 574, 566)
    assert imagenet_places(["tench", "no such thing"]) is None
    assert imagenet_places(["crane"]) is None  # a bird and a machine
    assert imagenet_places([]) is None


def test_names_come_from_a_file_one_a_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("person\nstop sign\n\n")
    assert read_names(path) == ("person", "stop sign")
    for wrong in ("", "a\n\nb\n", "x" * 300):
        path.write_text(wrong)
        with pytest.raises(InputError, match="one a line"):
            read_names(path)
