"""Names that no file can hold: lone surrogates, which JSON and YAML can write, and which names of
files that are not UTF-8 have in Python.
"""

from __future__ import annotations

import json
import os

import pytest

from edgecnn.data import load
from edgecnn.data.inspection.inspect import inspect
from edgecnn.data.left_out import LeftOut, encodable
from edgecnn.data.sources import sent

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

pytestmark = pytest.mark.filterwarnings("ignore::edgecnn.data.DataWarning")

ODD = "a\ud83d"
CLEAN = "a\N{REPLACEMENT CHARACTER}"


def save_images(folder, count=2):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 30), (number, 9, 9)).save(folder / f"{number}.png")


def write_coco(folder):
    save_images(folder / "images")
    box = {"category_id": 1, "bbox": [1, 2, 10, 12]}
    document = {
        "images": [
            {"id": 0, "file_name": "0.png"},
            {"id": ODD, "file_name": "1.png"},
            {"id": 2, "file_name": f"{ODD}.png"},
        ],
        "annotations": [
            {"id": ODD, "image_id": 0, **box, "category_id": ODD},
            {"id": 1, "image_id": ODD, **box},
            {"id": 2, "image_id": 0, **box, "bbox": ODD},
        ],
        "categories": [{"id": 1, "name": ODD}, {"id": ODD, "name": "b"}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return f"coco:{folder}"


def write_yolo(folder, names):
    save_images(folder / "images")
    (folder / "labels").mkdir()
    (folder / "labels" / "0.txt").write_text("0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n")
    (folder / "data.yaml").write_text(f'names: {names}\npath: "\\ud83d"\nval: "\\ud83d"\n')
    return f"yolo:{folder}"


WRITE = {
    "coco": write_coco,
    "yolo, a list": lambda folder: write_yolo(folder, '["a\\ud83d", b]'),
    "yolo, a mapping": lambda folder: write_yolo(folder, '{0: "a\\ud83d", 1: b}'),
    "yolo, a text": lambda folder: write_yolo(folder, '"a\\ud83d, b"'),
}


def check_encodable(dataset, tmp_path):
    """All that is written of a set."""
    json.dumps(dataset.record(), ensure_ascii=False).encode()
    json.dumps(inspect(dataset).counts, ensure_ascii=False).encode()
    sent.write(dataset, tmp_path / "sent.zip")
    assert load(f"sent:{tmp_path / 'sent.zip'}").labels == dataset.labels


@pytest.mark.parametrize("write", WRITE.values(), ids=WRITE)
def test_names_of_classes_are_text(write, tmp_path):
    data = load(write(tmp_path / "set"))

    assert data.class_names == (CLEAN, "b")
    check_encodable(data, tmp_path)


def odd_name(folder, name):
    path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 (pathlib takes no bytes)
    try:
        os.makedirs(path)  # noqa: PTH103
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    return os.fsdecode(path)


def test_a_folder_whose_name_is_not_utf_8_is_a_class(tmp_path):
    for name in (b"cat\xff", b"dog"):
        folder = odd_name(tmp_path / "set", name)
        for number in range(4):
            image = Image.new("RGB", (8, 8), (number, len(name), 9))
            image.save(os.path.join(folder, f"{number}.png"))  # noqa: PTH118
    data = load(f"folder:{tmp_path / 'set'}")

    assert data.labels == ("cat\N{REPLACEMENT CHARACTER}", "dog")
    check_encodable(data, tmp_path)


def test_a_set_whose_folder_is_not_utf_8_has_a_name(tmp_path):
    folder = odd_name(tmp_path, b"set\xff")
    write_coco(tmp_path / "plain")
    (tmp_path / "plain" / "annotations.json").rename(f"{folder}/annotations.json")
    (tmp_path / "plain" / "images").rename(f"{folder}/images")
    data = load(f"coco:{folder}")

    assert data.name == "set\N{REPLACEMENT CHARACTER}"
    check_encodable(data, tmp_path)


def test_half_a_character_leaves_a_row_out(tmp_path):
    rows = [{"text": f"some {n} words", "label": ("good", "bad")[n % 2]} for n in range(12)]
    rows += [{"text": f"half {ODD}", "label": "good"}, {"text": "whole", "label": ODD}]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    data = load(f"text:{tmp_path / 't.jsonl'}")

    assert data.labels == ("bad", "good")
    assert [str(entry) for entry in data.left_out] == [
        f"t.jsonl, line {number}: it holds half a character" for number in (13, 14)
    ]


def test_what_is_left_out_is_named_in_text():
    assert str(LeftOut(ODD, ODD)) == f"{CLEAN}: {CLEAN}"
    assert encodable("plain, \N{GRINNING FACE}") == "plain, \N{GRINNING FACE}"
