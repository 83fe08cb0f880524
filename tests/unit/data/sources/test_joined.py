"""Several annotated sets as one: each class once, chosen for all of them together."""

from __future__ import annotations

import json

import pytest

from edgecnn.data import load
from edgecnn.data.boxes.classes import merged, numbers_in
from edgecnn.data.inspection.inspect import inspect
from edgecnn.data.sources import sent
from edgecnn.data.splitting.held_out import complete_splits
from edgecnn.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")


def write_set(folder, classes, boxes, *, first_number=1):
    """`boxes` names, for each image, the classes of its boxes."""
    (folder / "images").mkdir(parents=True)
    numbers = {name: number for number, name in enumerate(classes, first_number)}
    annotations = []
    for number, names in enumerate(boxes):
        color = (number, len(str(folder)), first_number)
        Image.new("RGB", (40, 30), color).save(folder / "images" / f"{number}.png")
        annotations += [
            {"image_id": number, "category_id": numbers[name], "bbox": [place, 1, 20, 20]}
            for place, name in enumerate(names)
        ]
    document = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(len(boxes))],
        "annotations": [
            entry | {"id": number} for number, entry in enumerate(annotations)
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }  # fmt: skip
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def boxes_of(dataset, split="test"):
    return [len(file.boxes) for file in dataset[split].files]


@pytest.fixture
def signs(tmp_path):
    return write_set(tmp_path / "one" / "coco", ("Stop",), (("Stop",), ()))


@pytest.fixture
def others(tmp_path):
    names = ("yield", "stop sign")
    boxes = (("stop sign", "yield"), ("stop sign", "stop sign"))
    return write_set(tmp_path / "two" / "coco", names, boxes)


@pytest.fixture
def trees(tmp_path):
    """Images that are known to hold no sign."""
    return write_set(tmp_path / "trees", ("tree",), (("tree",), ()))


def test_a_class_that_two_sets_write_differently_is_one(signs, others):
    data = load(f"coco:{signs},{others}")

    assert data.class_names == ("Stop", "yield")
    assert data.labels == ("Stop",)
    ids = [file.class_ids.tolist() for file in data["test"].every_class]
    assert ids == [[0], [], [0, 1], [0, 0]]
    assert boxes_of(data) == [1, 0, 1, 2]


def test_a_set_that_is_divided_keeps_one_class(signs, others):
    divided = complete_splits(load(f"coco:{signs},{others}"))

    assert divided.class_names == ("Stop", "yield")
    files = [file for split in ("train", "validation") for file in divided[split].every_class]
    assert sorted(int(number) for file in files for number in file.class_ids) == [0, 0, 0, 0, 1]


def test_sets_of_one_folder_name_are_counted_together_split_by_split(signs, others):
    data = load(f"coco:{signs},{others}")

    assert signs.name == others.name
    assert data.counts == {"test": {"Stop": 4, "yield": 1}}
    assert "class Stop (4); not chosen: yield (1)" in data.summary()
    assert inspect(data).facts["boxes by class"] == {"Stop": 4, "yield": 1}


@pytest.mark.parametrize("classes", [(), ("stop sign",), ("STOP",)])
def test_a_set_without_the_class_gives_images_without_an_object(classes, signs, trees):
    data = load(f"coco:{signs},{trees}", classes=classes)

    assert data.labels == ("Stop",)
    assert boxes_of(data) == [1, 0, 0, 0]
    assert all(file.without_objects for file in data["test"].files[1:])


def test_a_class_that_no_set_has_is_refused(signs, trees):
    with pytest.raises(InputError, match="trees: no class 'cow'") as refused:
        load(f"coco:{signs},{trees}", classes=("cow",))
    assert refused.value.hint == "it has: Stop, tree"


def test_a_number_is_a_class_where_all_sets_mean_the_same(tmp_path, signs):
    same = write_set(tmp_path / "same", ("stop_sign", "pole"), (("pole",), ("stop_sign",)))

    assert load(f"coco:{signs},{same}", classes=("1",)).labels == ("Stop",)
    assert load(f"coco:{signs},{same}", classes=("2",)).labels == ("pole",)
    other = write_set(tmp_path / "other", ("pole", "stop"), (("pole",), ("stop",)))
    with pytest.raises(InputError, match="no class '1'"):
        load(f"coco:{signs},{other}", classes=("1",))


def test_several_classes_of_which_none_is_a_stop_sign_are_not_taken_as_one(tmp_path):
    cows = write_set(tmp_path / "cows", ("cow",), (("cow",),))
    dogs = write_set(tmp_path / "dogs", ("dog",), (("dog",),))
    data = load(f"coco:{cows},{dogs}")

    assert data.labels == data.class_names == ("cow", "dog")
    with pytest.raises(InputError, match="several classes, and none of them a stop sign"):
        data["test"].ground_truth  # noqa: B018


MERGED = {
    "case and spaces": ([("Stop Sign",), ("stop_sign",)], ("Stop Sign",), [{0: 0}, {0: 0}]),
    "a synonym": ([("cow", "stop"), ("Stop Sign",)], ("cow", "stop"), [{0: 0, 1: 1}, {0: 1}]),
    "the name goes before the synonym": (
        [("stop", "stop sign"), ("Stop Sign",)], ("stop", "stop sign"), [{0: 0, 1: 1}, {0: 1}],
    ),
    "two classes of one set": (
        [("Stop",), ("stop sign", "stop")], ("Stop", "stop sign"), [{0: 0}, {0: 1, 1: 0}],
    ),
    "codes that differ in a hyphen": (
        [("2-11",), ("21-1", "2-11")], ("2-11", "21-1"), [{0: 0}, {0: 1, 1: 0}],
    ),
    "nothing in common": ([("cow",), ("dog",)], ("cow", "dog"), [{0: 0}, {0: 1}]),
}  # fmt: skip


@pytest.mark.parametrize(("sets", "names", "numbers"), MERGED.values(), ids=MERGED)
def test_classes_of_several_sets_are_merged(sets, names, numbers):
    assert merged(sets) == (names, tuple(numbers))


def test_classes_are_found_among_ours_however_they_are_written():
    ours = ("stop sign", "yield")

    assert numbers_in(("Yield", "tree", "STOP"), ours) == {0: 1, 2: 0}
    assert numbers_in(("stop", "Stop_Sign"), ours) == {1: 0}
    assert numbers_in(("tree",), ours) == {}


def test_joined_sets_can_be_sent(signs, others, tmp_path):
    data = load(f"coco:{signs},{others}")
    sent.write(data, tmp_path / "sent.zip")
    arrived = load(f"sent:{tmp_path / 'sent.zip'}")

    assert arrived.summary() == data.summary()
    assert boxes_of(arrived) == boxes_of(data)
