"""YOLO's layout: what its tools write, and what is odd in it is left out by name."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.data.boxes.yolo import load_yolo
from edgecnn.errors import InputError
from tests.unit.data.boxes.annotated_pair import BOX, save_image


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 0.5 0.5 0.1", "received 4 values"),
        ("x 0.5 0.5 0.1 0.1", "'x' is not a class"),
        ("1 0.5 0.5 a 0.1", "not numbers"),
        ("1 nan 0.5 0.1 0.1", "shares"),
        ("1 40 30 10 10", "shares"),
        ("-1 0.5 0.5 0.1 0.1", "'-1' is not a class"),
        ("0.5 0.5 0.5 0.1 0.1", "'0.5' is not a class"),
        ("1 0.5 0.5 0 0.1", "no area"),
    ],
)
def test_an_odd_yolo_line_is_named_and_the_others_stay(yolo, line, reason):
    data = load_yolo(yolo(f"{line}\n1 0.5 0.5 0.1 0.1\n"))

    assert [len(file.boxes) for file in data.files] == [1, 0]
    (odd,) = data.left_out
    assert odd.file == "labels/a.txt, line 1"
    assert reason in odd.reason


@pytest.mark.parametrize(
    "line",
    [
        "1 0.375 0.541666667 0.5 0.416666667",
        "1.0 0.375 0.541666667 0.5 0.416666667",
        "stop-sign 0.375 0.541666667 0.5 0.416666667",
        "1\t0.375\t0.541666667\t0.5\t0.416666667",
        "1 0.375 0.541666667 0.5 0.416666667 0.87",
        "1 0.375 0.541666667 0.5 0.416666667 0.3 0.4 2 0.5 0.5 0",
        "1 0.125 0.333333333 0.625 0.333333333 0.625 0.75",
        "1 0.125 0.333333333 0.625 0.333333333 0.625 0.75 0.125 0.75",
        "1 0.125 0.333333333 0.625 0.333333333 0.625 0.75 0.125 0.75 0.9",
    ],
)
def test_what_yolo_tools_write_is_the_same_box(yolo, line):
    data = load_yolo(yolo(f"\ufeff{line}\r\n"))

    assert data.left_out == ()
    np.testing.assert_allclose(data.files[0].boxes, [BOX], atol=0.01)


EDGE = "1 0.125 0.333 0.625 0.333 0.625 0.75 1 0.75 0.125 0"
"""An outline of five points that touches the edge where key points would say what is seen."""


FURTHER = "1 0.375 0.541666667 0.5 0.416666667 0.3 0.4 2 0.5 0.5 0"


@pytest.mark.parametrize("other", [f"1 {'0.2 0.3 ' * 4}0.4 0.5", f"1 {'0.2 0.3 ' * 3}0.4 0.5"])
def test_an_outline_at_the_edge_is_one_where_others_of_the_set_are(yolo, other):
    data = load_yolo(yolo(f"{EDGE}\n{other}\n"))

    np.testing.assert_allclose(data.files[0].boxes[0], [10, 0, 80, 45], atol=0.1)


def test_an_outline_at_the_edge_is_one_where_those_of_another_split_are(tmp_path):
    for split, line in (("train", f"1 {'0.2 0.3 ' * 4}0.4 0.5"), ("val", EDGE)):
        save_image(tmp_path / "images" / split / f"{split}.png")
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / f"{split}.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("names: ['pole', 'stop sign']\n")
    dataset = load(f"yolo:{tmp_path}")

    np.testing.assert_allclose(dataset["validation"].files[0].boxes, [[10, 0, 80, 45]], atol=0.1)


def test_lines_of_as_many_key_points_are_boxes_with_key_points(yolo):
    other = "1 0.5 0.5 0.2 0.2 0.1 0.2 1 0.3 0.4 0"
    data = load_yolo(yolo(f"{FURTHER}\n0 0.5 0.5 0.1 0.1\n{other}\nno line\n"))

    np.testing.assert_allclose(data.files[0].boxes, [BOX, [32, 24, 48, 36]], atol=0.01)


def test_a_yolo_box_over_the_edge_is_cut_and_counted(yolo):
    data = load_yolo(yolo("1 0.9 0.5 0.2042 1.0021\n1 0.5 0.5 0.1 1.0021\n1 0.5 0.5 1.0003 1.0\n"))

    assert data.files[0].boxes.max(axis=0).tolist() == [pytest.approx(63.8, abs=0.1), 0, 80, 60]
    assert [(entry.kind, entry.file[-6:]) for entry in data.left_out] == [
        ("cut", "line 1"),
        ("cut", "line 2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "names: [pole, 'stop sign']",
        "names:\n- pole\n- stop sign",
        "names:\n  0: pole\n  1: stop sign",
        "names:\n  1: stop sign\n  0: pole",
        "names: {1: stop sign, 0: pole}",
        "names:\n  '1': 'stop sign'  # the one\n  '0': pole",
        "names: ['pole',\n  'stop sign']",
        "names: &names [pole, stop_sign]",
    ],
)
def test_all_ways_to_name_classes_are_understood(yolo, text):
    folder = yolo()
    (folder / "data.yaml").write_text(f"train: images\n{text}\nnc: 2\n")

    assert len(load_yolo(folder).files[0].boxes) == 1


def test_a_yolo_class_can_be_given_by_number_or_must_be_known(yolo):
    assert len(load_yolo(yolo(), label=0).files[0].boxes) == 1
    with pytest.raises(InputError, match="no class"):
        load_yolo(yolo(), label="giraffe")


def test_the_number_is_the_class_where_names_leave_some_out(yolo):
    folder = yolo("7 0.375 0.541666667 0.5 0.416666667\n1 0.5 0.5 0.1 0.1\n")
    (folder / "data.yaml").write_text("names:\n  7: stop sign\n  1: car\n")

    np.testing.assert_allclose(load_yolo(folder).files[0].boxes, [BOX], atol=0.01)


def test_words_that_yaml_takes_for_truth_are_names(yolo):
    folder = yolo("0 0.375 0.541666667 0.5 0.416666667\n")
    (folder / "data.yaml").write_text("names: [no, yes, 7]\n")

    assert len(load_yolo(folder, label="no").files[0].boxes) == 1
