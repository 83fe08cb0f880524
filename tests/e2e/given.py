"""What pages of the documentation start from: the files that a `<!-- given: … -->` comment names.

Small stand-ins for what a reader has: a Keras model of a few hundred weights that really knows its
classes, folders of drawn images, a detector of another maker, a translator of a dozen words.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.documents import PROJECT

COLORS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}
SIDE = 32


def images(folder: Path) -> None:
    """A folder for each color, each image a square of that color on noise."""
    from PIL import Image

    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        (folder / "images" / name).mkdir(parents=True)
        for number in range(200):
            pixels = random.integers(60, 140, (SIDE, SIDE, 3), dtype=np.uint8)
            top, left = random.integers(0, SIDE - 20, 2)
            size = int(random.integers(12, 20))
            pixels[top : top + size, left : left + size] = color
            Image.fromarray(pixels).save(folder / "images" / name / f"{number:03}.png")


def keras_model(folder: Path) -> None:
    """A classifier of those images that scales its input itself."""
    import keras

    from edgecnn import data

    images(folder)
    train = data.load(f"folder:{folder / 'images'}")["train"]
    samples = np.stack([np.asarray(sample) for sample in train.samples]).astype(np.float32)
    shutil.rmtree(folder / "images")  # samples are read when they are asked for
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(COLORS), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(samples, np.asarray(train.labels), epochs=8, batch_size=32, verbose=0)
    model.save(folder / "my_model.keras")


def tflite(folder: Path) -> None:
    """That model as a TFLite file."""
    from edgecnn.conversion.convert import convert_one

    keras_model(folder)
    artifact = convert_one(folder / "my_model.keras", "tflite:float32", out=folder / "made")
    shutil.copyfile(artifact.path, folder / "model.tflite")
    shutil.rmtree(folder / "made")
    (folder / "my_model.keras").unlink()


def yolo(folder: Path) -> None:
    """A detector in the layout of YOLOv8, with its makers' metadata."""
    from tests.unit.detection.small_detectors import ULTRALYTICS, write_detector

    write_detector(folder / "yolo.onnx", metadata=ULTRALYTICS)


def photos(folder: Path) -> None:
    """Scenes that this detector sees, annotated as COCO does it."""
    from PIL import Image

    from tests.unit.detection.small_detectors import GREEN, NAMES, RED, draw

    (folder / "photos" / "images").mkdir(parents=True)
    random = np.random.default_rng(1)
    images, boxes = [], []
    for number in range(24):
        cells = random.permutation(25)[:2]
        squares = [
            (int(cell % 5), int(cell // 5), color)
            for cell, color in zip(cells, (RED, GREEN), strict=True)
        ]
        scene = draw(squares)
        height, width = scene.shape[:2]
        Image.fromarray(scene).save(folder / "photos" / "images" / f"{number}.png")
        images.append(
            {"id": number, "file_name": f"{number}.png", "height": height, "width": width}
        )
        side = 32
        for row, column, color in squares:
            boxes.append(
                {"id": len(boxes), "image_id": number, "category_id": 1 + (color == GREEN),
                 "bbox": [column * side, row * side, side, side], "area": side**2, "iscrowd": 0}
            )  # fmt: skip
    classes = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    document = {"images": images, "annotations": boxes, "categories": classes}
    (folder / "photos" / "annotations.json").write_text(json.dumps(document))


def parts(folder: Path) -> None:
    """Images with boxes as YOLO's tools keep them."""
    from PIL import Image

    (folder / "parts" / "images").mkdir(parents=True)
    (folder / "parts" / "labels").mkdir()
    (folder / "parts" / "data.yaml").write_text("names: [nut, bolt]\nnc: 2\n")
    random = np.random.default_rng(2)
    side = 192
    for number in range(30):
        pixels = random.integers(90, 120, (side, side, 3), dtype=np.uint8)
        kind = number % 2
        size = int(random.integers(50, 90))
        top, left = random.integers(0, side - size, 2)
        pixels[top : top + size, left : left + size] = (200, 40, 40) if kind else (40, 60, 200)
        box = ((left + size / 2) / side, (top + size / 2) / side, size / side, size / side)
        Image.fromarray(pixels).save(folder / "parts" / "images" / f"{number}.png")
        text = " ".join(f"{value:.5f}" for value in box)
        (folder / "parts" / "labels" / f"{number}.txt").write_text(f"{kind} {text}\n")


def results(folder: Path) -> None:
    """The results of the quickstart that the repository holds."""
    source = PROJECT / "benchmarks" / "results" / "quickstart" / "results.json"
    shutil.copyfile(source, folder / "results.json")


def translator(folder: Path) -> None:
    """A translator of a dozen words."""
    from tests.integration.sequences import small_translator

    (folder / "made").mkdir()
    made = small_translator.make(folder / "made")
    made.path.rename(folder / "translator.keras")
    sidecar = Path(f"{made.path}.manifest.json")
    sidecar.rename(folder / "translator.keras.manifest.json")
    shutil.rmtree(folder / "made")


def pairs(folder: Path) -> None:
    """Its data."""
    from tests.integration.sequences import small_translator

    small_translator.write_pairs(folder / "pairs.tsv")


def lenet(folder: Path) -> None:
    """LeNet-5 after a few epochs on the digits."""
    from edgecnn import data
    from edgecnn.training import train

    train("lenet5", data.load("digits"), epochs=3, out=folder / "lenet5.keras")


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "images": images,
    "lenet5.keras": lenet,
    "model.tflite": tflite,
    "my_model.keras": keras_model,
    "pairs.tsv": pairs,
    "parts": parts,
    "photos": photos,
    "results.json": results,
    "translator.keras": translator,
    "yolo.onnx": yolo,
}


def give(name: str, folder: Path, made_once: Callable[..., Path]) -> None:
    """Put what `name` stands for into `folder`; it is made once for all pages."""
    shutil.copytree(made_once(f"given-{name}", MAKERS[name]), folder, dirs_exist_ok=True)
