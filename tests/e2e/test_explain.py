"""edgecnn explain as users meet it: pages, numbers, and mistakes."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest

from tests.command_line import edgecnn, here

pillow = pytest.importorskip("PIL.Image", reason="pip install pillow")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image(tmp_path_factory, digits):
    path = tmp_path_factory.mktemp("pictures") / "digit.png"
    pixels = np.asarray(digits["test"].samples[0])
    pillow.fromarray(pixels.reshape(pixels.shape[:2])).save(path)
    return path


def explain(*arguments, **more):
    return here("explain", *arguments, **more)


def test_a_page_shows_everything_and_fetches_nothing(tmp_path, trained_lenet, lenet_artifacts):
    files = [artifact.path for artifact in lenet_artifacts.values()]
    outs = [tmp_path / name for name in ("page.html", "numbers.json", "shifts.csv", "poster.png")]
    done = edgecnn(
        "explain", *files, trained_lenet.path, "--data", "digits", "--shifts", "0..4",
        "--samples", 40, *(part for out in outs for part in ("--out", out)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = outs[0].read_text("utf-8")
    for name in ("answer", "grad-cam", "first-layer", "features", "fields", "colors", "shift"):
        assert f'<section id="{name}"' in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "repeated" in page  # what moves in
    assert "(n = 40)" in page
    assert len(page) < 3_000_000

    numbers = json.loads(outs[1].read_text())
    points = numbers["shift"]["points"]
    assert {point["file"] for point in points} == {
        trained_lenet.path.name, *(path.name for path in files)
    }  # fmt: skip
    assert len(points) == 4 * 5
    assert all(0 <= p["accuracy_low"] <= p["accuracy"] <= p["accuracy_high"] <= 1 for p in points)
    unmoved = [point for point in points if point["pixels"] == 0]
    assert all(point["agreement"] == 1 for point in unmoved)
    assert all(point["accuracy"] > 0.85 for point in unmoved)
    fields = {one["layer"]: one for one in numbers["receptive_fields"]}
    assert fields["c1"]["theory"]["size"] == 5
    assert 3 < fields["c1"]["effective_side"] <= 5
    assert fields["c3"]["effective_side"] > fields["c1"]["effective_side"]

    rows = list(csv.DictReader(outs[2].read_text().splitlines()))
    assert [float(row["accuracy"]) for row in rows] == [point["accuracy"] for point in points]
    with pillow.open(outs[3]) as poster:
        assert poster.width == 1860
        assert len(np.unique(np.asarray(poster.convert("L")))) > 100


def test_a_converted_file_alone_tells_what_it_can_and_what_it_needs(
    tmp_path, lenet_artifacts, image
):
    out = tmp_path / "page.html"
    done = explain(lenet_artifacts["tflite:static_int8"].path, image, "--out", out)
    assert done.returncode == 0, done.stderr
    page = out.read_text("utf-8")
    assert '<section id="occlusion"' in page
    assert '<section id="first-layer"' in page
    assert '<section id="features"' not in page
    assert "Give the .keras file" in page


def test_without_a_manifest_the_assumption_is_said(tmp_path, trained_lenet, image):
    from edgecnn.keras_files import load_keras

    foreign = tmp_path / "foreign.keras"
    load_keras(trained_lenet.path).save(foreign)
    out = tmp_path / "page.html"
    done = explain(foreign, image, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "The preprocessing of foreign.keras is unknown; assumed" in out.read_text("utf-8")


@pytest.mark.parametrize("size", [(1, 1), (3, 700)])
def test_any_size_of_image_will_do(tmp_path, lenet_artifacts, size):
    path = tmp_path / "odd.png"
    pillow.fromarray(np.full(size, 77, np.uint8)).save(path)
    done = explain(lenet_artifacts["onnx:float32"].path, path, "--out", tmp_path / "p.html")
    assert done.returncode == 0, done.stderr


MISTAKES = {
    "no-model": (["{picture}"], ["no model among", ".keras"]),
    "no-such-model": (["none.keras", "{picture}"], ["no such file: none.keras"]),
    "no-such-picture": (["{model}", "none.png"], ["no such image: none.png"]),
    "not-a-picture": (["{model}", "{text}"], ["not an image that can be read"]),
    "two-pictures": (["{model}", "{picture}", "{text}"], ["one image at a time"]),
    "no-picture": (["{model}"], ["no image to explain", "--data"]),
    "class": (["{model}", "{picture}", "--classes", "10"], ["no class 10", "0 to 9"]),
    "class-name": (["{model}", "{picture}", "--classes", "cat"], ["no class 'cat'"]),
    "layer": (["{model}", "{picture}", "--layer", "x"], ["unknown layer", "c1"]),
    "out": (["{model}", "{picture}", "--out", "x.gif"], ["cannot write", ".html"]),
    "csv": (["{model}", "{picture}", "--out", "x.csv"], ["shift curves", "--data"]),
    "shifts": (["{model}", "--data", "digits", "--shifts", "0..99"], ["from 0 to 31 pixels"]),
    "labels": (["{model}", "{picture}", "--labels", "none.txt"], ["none.txt"]),
    "backwards": (["{model}", "--data", "digits", "--shifts", "8..0"], ["0..8 or 0,2,4", "8..0"]),
}


@pytest.mark.parametrize("which", MISTAKES)
def test_a_mistake_gets_a_clear_line(tmp_path, trained_lenet, image, which):
    arguments, words = MISTAKES[which]
    text = tmp_path / "text.png"
    text.write_text("no image")
    places = {"model": trained_lenet.path, "picture": image, "text": text}
    done = explain(*(argument.format(**places) for argument in arguments), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == [text]


@pytest.mark.parametrize(
    ("name", "shape"),
    [("textcnn", "64"), ("voxnet", "32, 32, 32, 1")],
)
def test_other_data_than_images_is_told(tmp_path, image, name, shape):
    from edgecnn import models

    path = tmp_path / f"{name}.keras"
    models.build(name).save(path)
    done = explain(path, image, "--out", tmp_path / "page.html")
    assert done.returncode == 2
    assert "explain is for images" in done.stderr
    assert shape in done.stderr


def test_files_of_different_parents_do_not_stand_in_one_image(
    tmp_path, trained_lenet, lenet_artifacts
):
    from edgecnn import models

    other = tmp_path / "other.keras"
    models.build("lenet5").save(other)
    done = explain(
        other, lenet_artifacts["tflite:float32"].path, "--data", "digits",
        "--preprocessing", "0..1", "--out", tmp_path / "page.html",
    )  # fmt: skip
    assert done.returncode == 2
    assert "do not come from one parent" in done.stderr


def test_what_is_there_is_not_replaced(tmp_path, trained_lenet, image):
    out = tmp_path / "page.html"
    shutil.copy(image, out)
    done = explain(trained_lenet.path, image, "--out", out)
    assert done.returncode == 2
    assert "--force" in done.stderr
