"""An image of which an annotation was left out is not an image without an object."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.data.boxes.base import BoxedFile
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.inspection import contact_sheet
from edgecnn.data.inspection.inspect import inspect
from edgecnn.data.sources import sent
from edgecnn.data.splitting.calibration_holdout import hold_out_calibration
from edgecnn.data.splitting.held_out import complete_splits

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

# That something is left out is also warned of, which other tests look at.
pytestmark = pytest.mark.filterwarnings("ignore::edgecnn.data.DataWarning")

WIDTH, HEIGHT = 80, 60
BOX = (10, 20, 50, 45)  # left, top, right, bottom
NAMES = ("good.png", "bad.png", "bare.png")


def save_images(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        Image.new("RGB", (WIDTH, HEIGHT), (number, 30, 40)).save(folder / name)


def write_coco(folder, **change):
    """`change` is what the annotation of the second image says otherwise."""
    save_images(folder / "images")
    left, top, right, bottom = BOX
    box = {"category_id": 1, "bbox": [left, top, right - left, bottom - top]}
    document = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(NAMES)],
        "annotations": [
            {"id": 0, "image_id": 0, **box},
            {"id": 1, "image_id": 1, **box, **change},
        ],
        "categories": [{"id": 1, "name": "stop sign"}, {"id": 2, "name": "pole"}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def write_voc(folder, name="stop sign", corners=BOX):
    save_images(folder)
    left, top, right, bottom = corners
    good = "<object><name>stop sign</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>30</xmax>"
    bad = f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
    things = (
        f"{good}<ymax>30</ymax></bndbox></object>",
        f"{bad}<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>",
        "",
    )
    for image, thing in zip(NAMES, things, strict=True):
        text = f"<annotation><filename>{image}</filename>{thing}</annotation>"
        (folder / image.replace("png", "xml")).write_text(text)
    return folder


def write_yolo(folder, line="0 0.5 0.5 0.2 0.2", ending="txt"):
    save_images(folder / "images")
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "good.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (folder / "labels" / f"bad.{ending}").write_bytes(
        line if isinstance(line, bytes) else f"{line}\n".encode()
    )
    (folder / "data.yaml").write_text("names: ['stop sign', pole]\n")
    return folder


def files_of(dataset):
    return {file.path.name: file for file in dataset["test"].files}


BAD = {
    "coco, not a number": lambda folder: f"coco:{write_coco(folder, bbox=[float('nan'), 1, 2, 3])}",
    "coco, no area": lambda folder: f"coco:{write_coco(folder, bbox=[5, 5, 0, 9])}",
    "coco, outside": lambda folder: f"coco:{write_coco(folder, bbox=[500, 5, 9, 9])}",
    "coco, no box": lambda folder: f"coco:{write_coco(folder, bbox='none')}",
    "coco, a category that is not listed": (
        lambda folder: f"coco:{write_coco(folder, category_id=7)}"
    ),
    "voc, not a number": lambda folder: f"voc:{write_voc(folder, corners=('a', 1, 9, 9))}",
    "voc, no name": lambda folder: f"voc:{write_voc(folder, name='')}",
    "voc, outside": lambda folder: f"voc:{write_voc(folder, corners=(500, 1, 509, 9))}",
    "yolo, not numbers": lambda folder: f"yolo:{write_yolo(folder, '0 a b c d')}",
    "yolo, not a class": lambda folder: f"yolo:{write_yolo(folder, 'cow 0.5 0.5 0.2 0.2')}",
    "yolo, pixels": lambda folder: f"yolo:{write_yolo(folder, '0 40 30 16 12')}",
    "yolo, no area": lambda folder: f"yolo:{write_yolo(folder, '0 0.5 0.5 0 0.2')}",
    "yolo, too long": lambda folder: f"yolo:{write_yolo(folder, b' ' * ((4 << 20) + 1))}",
}


@pytest.mark.parametrize("write", BAD.values(), ids=BAD)
def test_a_box_that_is_left_out_leaves_an_incomplete_image(write, tmp_path):
    data = load(write(tmp_path / "set"))
    files = files_of(data)

    assert any(entry.kind == "box" for entry in data.left_out)
    assert [len(files[name].boxes) for name in NAMES] == [1, 0, 0]
    assert [files[name].incomplete for name in NAMES] == [False, True, False]
    assert [files[name].without_objects for name in NAMES] == [False, False, True]
    assert [file.incomplete for file in data["test"].every_class].count(True) == 1


def test_a_box_of_a_class_that_nobody_asked_for_leaves_an_image_without(tmp_path):
    files = files_of(load(f"coco:{write_coco(tmp_path / 'set', category_id=2)}"))

    assert len(files["bad.png"].boxes) == 0
    assert files["bad.png"].without_objects


def test_incomplete_images_are_no_negatives(tmp_path):
    data = load_coco(write_coco(tmp_path / "set", bbox=[5, 5, 0, 9]))

    assert [file.path.name for file in data.negatives] == ["bare.png"]


@pytest.fixture
def incomplete(tmp_path):
    return load(f"coco:{write_coco(tmp_path / 'set', bbox=[5, 5, 0, 9])}")


def test_an_image_stays_incomplete_whatever_is_made_of_its_set(incomplete, tmp_path):
    (tmp_path / "more").mkdir()
    both = load(f"coco:{tmp_path / 'set'},{write_coco(tmp_path / 'more' / 'set')}")
    sent.write(incomplete, tmp_path / "sent.zip")

    for data in (incomplete, both, load(f"sent:{tmp_path / 'sent.zip'}")):
        assert [file.incomplete for file in data["test"].files].count(True) == 1
        for made in (complete_splits(data), hold_out_calibration(data)):
            splits = {id(split): split for split in made.splits.values()}.values()
            marks = [file.incomplete for split in splits for file in split.files]
            assert marks.count(True) == 1
    for answers in (incomplete.answers("test"), incomplete.answers("test", ("cow", "stop sign"))):
        assert [file.incomplete for file in answers.ground_truth] == [False, True, False]


def test_renumbering_keeps_the_mark(tmp_path):
    box = np.asarray([BOX], np.float32)
    file = BoxedFile(tmp_path / "a.png", HEIGHT, WIDTH, box, incomplete=True)

    assert file.renumbered({}).incomplete
    assert not file.renumbered({}).without_objects


def test_the_inspection_names_them(incomplete, tmp_path):
    found = inspect(incomplete)

    assert found.counts == {"test": {"with stop sign": 1, "without": 1, "incomplete": 1}}
    assert found.facts["incomplete images"] == 1
    assert found.facts["images without a box"] == 2
    contact_sheet.write(incomplete, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        step = contact_sheet.BOXED_CELL + contact_sheet.GAP
        assert sheet.height == 3 * step + contact_sheet.GAP  # stop sign, without, incomplete


def test_images_with_ignored_boxes_alone_are_not_counted_as_without(tmp_path):
    found = inspect(load(f"coco:{write_coco(tmp_path / 'set', iscrowd=1)}"))

    assert found.counts == {"test": {"with stop sign": 1, "without": 1, "ignored boxes alone": 1}}


@pytest.mark.parametrize("ending", ["TXT", "Txt", "txt"])
def test_labels_are_found_however_their_ending_is_written(ending, tmp_path):
    data = load(f"yolo:{write_yolo(tmp_path / 'set', ending=ending)}")

    assert [len(files_of(data)[name].boxes) for name in NAMES] == [1, 1, 0]
    assert "1 picture without a label file" in data.summary()


def test_labels_without_an_image_are_named_however_their_ending_is_written(tmp_path):
    place = write_yolo(tmp_path / "set")
    (place / "labels" / "other.TXT").write_text("0 0.5 0.5 0.2 0.2\n")

    assert [entry.file for entry in load(f"yolo:{place}").left_out] == ["labels/other.TXT"]


def test_names_and_lists_are_found_however_their_ending_is_written(tmp_path):
    place = write_yolo(tmp_path / "set")
    (place / "data.yaml").unlink()
    (place / "Classes.TXT").write_text("stop sign\npole\n")
    for split, name in (("TRAIN", "good"), ("VAL", "bad")):
        (place / f"{split}.TXT").write_text(f"images/{name}.png\n")
    data = load(f"yolo:{place}")

    assert data.class_names == ("stop sign", "pole")
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 1,
        "validation": 1,
    }


def test_ids_that_a_table_wrote_as_decimals_are_the_same_ids(tmp_path):
    data = load(f"coco:{write_coco(tmp_path / 'set', image_id=1.0, category_id=1.0)}")

    assert not data.left_out
    assert [len(files_of(data)[name].boxes) for name in NAMES] == [1, 1, 0]
