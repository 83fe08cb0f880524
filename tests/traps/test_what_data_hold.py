"""Traps in the data: what would make accuracy wrong, or cost every row, without a word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgecnn
from edgecnn.data import DataWarning, load
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

DETECTOR = Path(edgecnn.__file__).parent / "assets" / "stop_sign_nano_static_int8.tflite"
SCENES = 12
SIDE = 320
HEIGHT = 240


def write_scenes(folder, *, turned=False, annotated=True):
    """Drawn stop signs as COCO's layout; `turned` as a camera that lay on its side stores them."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(SCENES):
        scene = SyntheticScenes(5, SCENES, HEIGHT, SIDE)[number]
        boxes, pixels = scene.boxes, scene.image
        exif = Image.Exif()
        if turned:  # stored after a quarter turn to the left, to be turned right to be seen
            pixels = np.rot90(pixels)
            left, top, right, bottom = boxes.T
            boxes = np.stack([top, SIDE - right, bottom, SIDE - left], axis=1)
            exif[274] = 6
        height, width = pixels.shape[:2]
        Image.fromarray(np.ascontiguousarray(pixels)).save(
            folder / "images" / f"{number}.png", exif=exif
        )
        name = {"file_name": f"{number}.png", "height": height, "width": width}
        images.append({"id": number, **name})
        for x0, y0, x1, y1 in boxes.tolist():
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "category_id": 1, "image_id": number}
            annotations.append({"id": len(annotations), **box})
    document = {
        "images": images,
        "annotations": annotations if annotated else [],
        "categories": [{"id": 1, "name": "stop sign"}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return f"coco:{folder}"


def test_boxes_of_turned_photos_do_not_make_a_good_detector_worthless(measure, tmp_path):
    upright = measure(DETECTOR, "litert:cpu", data=load(write_scenes(tmp_path / "upright")))
    turned = measure(
        DETECTOR, "litert:cpu", data=load(write_scenes(tmp_path / "turned", turned=True))
    )

    assert upright.accuracy.further["ap50"] > 0.3
    assert turned.accuracy.further["ap50"] == pytest.approx(upright.accuracy.further["ap50"])


def test_images_without_any_annotation_keep_their_latency(measure, tmp_path):
    row = measure(DETECTOR, "litert:cpu", data=load(write_scenes(tmp_path / "x", annotated=False)))

    assert row.status == "ok"
    assert row.accuracy is None
    assert "no accuracy: no image has a box" in row.fed.sentence


def test_one_cut_image_does_not_cost_the_row(measure, tmp_path):
    name = write_scenes(tmp_path / "x")
    path = tmp_path / "x" / "images" / "3.png"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.warns(DataWarning, match=r"1 file left out: 3\.png"):
        data = load(name)

    row = measure(DETECTOR, "litert:cpu", data=data)

    assert row.status == "ok"
    assert row.accuracy.n == SCENES - 1


def test_what_calibrated_a_file_is_not_in_its_accuracy(measure, tmp_path):
    data = load(write_scenes(tmp_path / "x"))
    manifest = json.loads((DETECTOR.parent / f"{DETECTOR.name}.manifest.json").read_text())
    manifest["conversion"]["calibration"] = {"sha256": data.sha256, "set_apart": SCENES // 2}
    copy = tmp_path / DETECTOR.name
    copy.write_bytes(DETECTOR.read_bytes())
    (tmp_path / f"{DETECTOR.name}.manifest.json").write_text(json.dumps(manifest))

    assert measure(DETECTOR, "litert:cpu", data=data).accuracy.n == SCENES
    assert measure(copy, "litert:cpu", data=data).accuracy.n == SCENES // 2


def test_class_numbers_count_and_not_their_order(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(2):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / "images" / f"{number}.png")
        (tmp_path / "labels" / f"{number}.txt").write_text(f"{number} 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names:\n  1: car\n  0: stop sign\n")

    signs, cars = (load(f"yolo:{tmp_path}", classes=[name]) for name in ("stop sign", "car"))

    assert signs["test"].labels.tolist() == [1, 0]
    assert cars["test"].labels.tolist() == [0, 1]


def test_a_copy_that_a_tool_keeps_does_not_leak_into_the_test(tmp_path):
    for label in ("cat", "dog"):
        hidden = tmp_path / label / ".ipynb_checkpoints"
        hidden.mkdir(parents=True)
        for number in range(10):
            pixels = np.random.default_rng([number, len(label), label == "cat"])
            image = Image.fromarray(pixels.integers(0, 256, (8, 8, 3), np.uint8))
            image.save(tmp_path / label / f"{number}.png")
            image.save(hidden / f"{number}-checkpoint.png")

    assert sum(len(split) for split in load(f"folder:{tmp_path}").splits.values()) == 20


def test_strict_refuses_what_would_be_left_out(tmp_path):
    name = write_scenes(tmp_path / "x")
    (tmp_path / "x" / "images" / "3.png").unlink()

    with pytest.raises(InputError, match=r"3\.png: the image is missing"):
        load(name, strict=True)


def test_a_sentence_is_never_learned_and_tested_with_two_translations(tmp_path: Path):
    """Equal sentences on both sides of a split: BLEU would measure memory."""
    rows = [f"dog {i}\tchien {i}" for i in range(40)]
    for name, lines in (("train", rows), ("val", ["cat\tchat"]), ("test", ["dog 3\tun chien"])):
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dataset = load(f"pairs:{tmp_path}")

    assert "dog 3" in dataset["test"].samples
    assert "dog 3" not in dataset["train"].samples
    assert len(dataset["train"]) == 39
