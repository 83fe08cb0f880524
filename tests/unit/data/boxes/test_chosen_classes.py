"""Classes of a set of annotated images: chosen by name or by number."""

from __future__ import annotations

import pytest

from edgecnn.data import load
from edgecnn.errors import InputError
from tests.unit.data.boxes.small_sets import yolo_flat


def two_classes(root):
    yolo_flat(root)
    (root / "0.txt").write_text("0 0.3 0.5 0.4 0.6\n1 0.5 0.5 0.2 0.2\n2 0.6 0.5 0.2 0.2\n")
    (root / "classes.txt").write_text("car\nyield_sign\nTraffic-Cone\n")
    return root


@pytest.mark.parametrize(
    ("classes", "labels", "boxes"),
    [
        (["car"], ("car",), 1),
        (["Yield Sign"], ("yield_sign",), 1),
        (["2"], ("Traffic-Cone",), 1),
        (["traffic cone", "0"], ("car", "Traffic-Cone"), 2),
    ],
)
def test_classes_are_chosen_by_name_or_number(tmp_path, classes, labels, boxes):
    dataset = load(f"yolo:{two_classes(tmp_path)}", classes=classes)

    assert dataset.labels == labels
    assert dataset["test"].labels.tolist() == [boxes]
    assert len(dataset["test"].ground_truth[0].boxes) == boxes
    assert "not chosen: " in dataset.summary()


def test_a_class_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no class 'bus'") as caught:
        load(f"yolo:{two_classes(tmp_path)}", classes=["bus"])

    assert caught.value.hint == "it has: car (0), yield_sign (1), Traffic-Cone (2)"


def test_several_classes_without_a_choice_have_no_truth(tmp_path):
    dataset = load(f"yolo:{two_classes(tmp_path)}")

    assert dataset.labels == ("car", "yield_sign", "Traffic-Cone")
    assert "no class is chosen" in dataset.summary()
    with pytest.raises(InputError, match="several classes"):
        _ = dataset["test"].ground_truth


def test_other_sources_have_no_classes_to_choose():
    with pytest.raises(InputError, match="no option 'classes'"):
        load("digits", classes=["3"])
