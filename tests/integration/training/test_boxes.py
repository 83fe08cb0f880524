"""A detector of one's own classes, through the trainer that classifiers go through."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from edgecnn.cli import invoke
from edgecnn.data import load
from edgecnn.data.left_out import DataWarning
from edgecnn.data.synthetic.backgrounds import draw_background
from edgecnn.data.synthetic.faces import other_face
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.progress import silent
from edgecnn.training import callbacks, train
from edgecnn.training.config import config_for
from edgecnn.training.detection import task as boxes
from edgecnn.training.detection.task import DetectionTask
from edgecnn.vision import load_detector

cv2 = pytest.importorskip("cv2", reason="cv2 is not installed")
for library in ("keras", "faster_coco_eval"):
    pytest.importorskip(library, reason=f"{library} is not installed")

CLASSES = ("disc", "square", "bar")
COLORS = ((220, 40, 40), (40, 200, 60), (60, 80, 230))
SIDE = 128


def drawn(rng):
    """An image (SIDE, SIDE, 3) RGB with one shape, its class and its box."""
    image = rng.integers(90, 140, (SIDE, SIDE, 3)).astype(np.uint8)
    kind = int(rng.integers(len(CLASSES)))
    half = int(rng.integers(10, 28))
    x, y = (int(value) for value in rng.integers(half + 2, SIDE - half - 2, 2))
    rows, columns = half, half
    if CLASSES[kind] == "disc":
        cv2.circle(image, (x, y), half, COLORS[kind], -1)
    else:
        rows = half if CLASSES[kind] == "square" else half // 2
        cv2.rectangle(image, (x - half, y - rows), (x + half, y + rows), COLORS[kind], -1)
    return image, kind, (x - columns, y - rows, x + columns + 1, y + rows + 1)


SIGNS = ("yield", "no_entry", "ring")


def sign_scene(rng):
    """A street (SIDE, SIDE, 3) RGB with one sign of three kinds, as GTSRB has them, its class
    behind those of the shapes and its box.
    """
    image = draw_background(rng, SIDE, SIDE)
    kind = int(rng.integers(len(SIGNS)))
    side = int(rng.integers(24, 60))
    x, y = (int(value) for value in rng.integers(2, SIDE - side - 2, 2))
    face = cv2.resize(other_face(rng, SIGNS[kind]), (side, side), interpolation=cv2.INTER_AREA)
    cover = face[:, :, 3:].astype(np.float32) / 255
    region = image[y : y + side, x : x + side]
    region[:] = np.rint(region + (face[:, :, :3] - region.astype(np.float32)) * cover)
    rows, columns = (np.flatnonzero((cover[:, :, 0] > 0.5).any(axis=axis)) for axis in (1, 0))
    box = (x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1)
    return image, len(CLASSES) + kind, box


def shape_or_sign(rng):
    return (drawn if rng.random() < 0.5 else sign_scene)(rng)


def write_yolo(folder, sizes, *, seed=0, kinds=CLASSES, draw=drawn):
    rng = np.random.default_rng(seed)
    for split, count in sizes.items():
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True)
        for number in range(count):
            image, kind, (left, top, right, bottom) = draw(rng)
            cv2.imwrite(str(folder / split / "images" / f"{number}.png"), image[:, :, ::-1])
            middle = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
            line = " ".join(f"{value / SIDE:.5f}" for value in middle)
            (folder / split / "labels" / f"{number}.txt").write_text(f"{kind} {line}\n")
    splits = "".join(f"{'val' if split == 'valid' else split}: {split}/images\n" for split in sizes)
    (folder / "data.yaml").write_text(splits + f"names: {json.dumps(list(kinds))}\n")
    return folder


def build_tiny(name, *, seed=None, input_shape, num_classes=1):
    """Two layers in place of the detector's 70, which take long to compile: what is tested is the
    order of events, not what is learned.
    """
    import keras
    from keras import layers

    if seed is not None:
        keras.utils.set_random_seed(seed)
    image = keras.Input(input_shape, name="input")
    x = layers.Conv2D(6, 8, 8, activation="relu", name="first")(image)
    x = layers.BatchNormalization(name="norm")(x)
    heat = layers.Conv2D(num_classes, 1, name="heat")(x)
    return keras.Model(image, [heat, layers.Conv2D(4, 1, name="box")(x)], name=name)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "shapes"
    return write_yolo(folder, {"train": 24, "valid": 8, "test": 8})


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    """Two epochs of a tiny network: nothing to be proud of, but every step of the way."""
    out = tmp_path_factory.mktemp("trained") / "shapes.keras"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes, "LEAST_VIEWS", 64)
        patch.setattr("edgecnn.training.detection.task.models.build", build_tiny)
        code = invoke(
            ["train", "--model", "detector_nano", "--data", f"yolo:{shapes}", "--epochs", "2",
             "--batch-size", "32", "--input-size", "128", "--out", str(out)]
        )  # fmt: skip
    assert code == 0
    return out


def test_a_trained_detector_says_what_it_finds_and_how_well(trained):
    manifest = load_artifact(trained).manifest
    assert manifest.task == "detection"
    assert manifest.postprocessing.head == "heat_map"
    assert manifest.postprocessing.class_names == CLASSES
    assert {"validation_ap50", "test_ap50", "test_ap50_95"} <= manifest.metrics.keys()
    assert manifest.data["samples"]["train"] == 24
    history = manifest.training["history"]
    assert len(history) == 2 or len(history["loss"]) == 2
    assert (trained.with_suffix(".training") / "learning_curve.png").exists()


def test_it_finds_boxes_in_an_image(trained):
    detector = load_detector(trained, runtime="keras:cpu", min_score=0.0)
    image, _, _ = drawn(np.random.default_rng(9))
    found = detector(np.ascontiguousarray(image[:, :, ::-1]))
    assert len(found)
    assert set(found.class_ids.tolist()) <= {0, 1, 2}
    assert detector.name_of(1) == "square"


@pytest.mark.slow
def test_it_learns_shapes_and_signs_and_keeps_them_in_int8(tmp_path, capsys):
    folder = write_yolo(
        tmp_path / "more", {"train": 240, "valid": 24, "test": 48}, seed=5,
        kinds=CLASSES + SIGNS, draw=shape_or_sign,
    )  # fmt: skip
    out = tmp_path / "shapes.keras"
    artifact = train(
        "detector_nano", load("yolo", data_dir=folder), out=out, epochs=10, views=640,
        input_size=128, weights="stop_sign_nano", folder=tmp_path / "log",
    )  # fmt: skip
    assert artifact.manifest.metrics["test_ap50"] > 0.45
    art = tmp_path / "art"
    for command in (
        ["convert", out, "--to", "tflite:static_int8,onnx:float32",
         "--calibration", f"yolo:{folder}", "--out", art],
        ["verify", art / "shapes_static_int8.tflite", "--parent", out,
         "--data", f"yolo:{folder}", "--max-drop", "5"],
        ["benchmark", art / "shapes_static_int8.tflite", "--runtimes", "litert:cpu", "--data",
         f"yolo:{folder}", "--quick", "--processes", "1", "--out", tmp_path / "r.json"],
    ):  # fmt: skip
        assert invoke([str(word) for word in command]) == 0, capsys.readouterr().err
    (row,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert row["accuracy"]["further"]["ap50"] > 0.4


def test_a_class_without_a_box_is_named(tmp_path):
    folder = write_yolo(tmp_path / "four", {"train": 8, "valid": 4}, kinds=(*CLASSES, "ghost"))
    with pytest.warns(DataWarning, match="1 of 4 classes have no box to learn from: 'ghost'"):
        DetectionTask("detector_nano", load("yolo", data_dir=folder))


@pytest.mark.parametrize(
    ("model", "data", "why"),
    [
        ("lenet5", "yolo", "answers with classes, the data set 'shapes' has boxes"),
        ("stop_sign_nano", "yolo", "finds stop signs alone"),
        ("detector_nano", "digits", "boxes"),
    ],
)
def test_data_for_another_task_are_refused(shapes, tmp_path, model, data, why):
    dataset = load(data, data_dir=shapes if data == "yolo" else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pytest.raises(InputError, match=why):
            train(model, dataset, out=tmp_path / "m.keras", epochs=1)


def test_what_is_learned_is_what_is_scored(shapes):
    """Targets of the validation, taken for the network's answers, are perfect."""
    subject = DetectionTask("detector_nano", load("yolo", data_dir=shapes), 128)
    images, wanted = subject.validation(None)[0]
    assert images.shape == (8, 128, 128, 3)
    heat = np.where(wanted[..., :3] > 0, 5.0, -9.0).astype(np.float32)
    scores = subject.scorer("validation").scores([heat, wanted[..., 6:]])
    assert scores.ap50 == scores.ap50_95 == 1.0
    assert scores.classes > 1


def test_in_bfloat16_the_maps_and_the_weights_stay_float32(shapes):
    subject = DetectionTask("detector_nano", load("yolo", data_dir=shapes), 128)
    mixed = subject.build(seed=0, precision="bfloat16")
    plain = subject.build(seed=0, precision="off")
    computed = {layer.compute_dtype for layer in mixed.layers if layer.name.endswith("_conv")}
    assert computed == {"bfloat16"}
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    images = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    rounded, exact = mixed(images), plain(images)
    assert rounded.dtype == "float32"
    np.testing.assert_allclose(rounded, exact, atol=0.05)
    assert not np.array_equal(rounded, exact)


def test_views_keep_the_classes_of_their_boxes(shapes):
    subject = DetectionTask("detector_nano", load("yolo", data_dir=shapes), 128)
    subject.prepare(config_for("detector_nano", epochs=2), seed=0, devices=1)
    views = subject.training(None, epoch=0, first=0)
    images, wanted = views[0]
    assert images.shape == (32, 64, 64, 3)
    assert len(np.unique(wanted[..., :3].argmax(-1)[wanted[..., :3].max(-1) > 0])) == 3
    again, _ = subject.training(None, epoch=0, first=0)[0]
    np.testing.assert_array_equal(images, again)
    whole, _ = subject.training(None, epoch=1, first=0)[0]
    assert whole.shape == (16, 128, 128, 3)


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """Drawn street scenes with one class, stop sign, and two images without."""
    folder = tmp_path_factory.mktemp("signs")
    scenes = SyntheticScenes(seed=3, number=14, height=SIDE, width=SIDE)
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for number, scene in enumerate(scenes):
        cv2.imwrite(str(folder / "images" / f"{number:02d}.png"), scene.image[:, :, ::-1])
        boxes = scene.boxes / SIDE
        lines = [
            f"0 {(b[0] + b[2]) / 2:.5f} {(b[1] + b[3]) / 2:.5f} {b[2] - b[0]:.5f} {b[3] - b[1]:.5f}"
            for b in boxes
        ]
        (folder / "labels" / f"{number:02d}.txt").write_text("\n".join(lines))
    (folder / "data.yaml").write_text("train: images\nnames: [stop sign]\n")
    return folder


LEVERS = {"drawn": 0.3, "negatives": 0.3, "hard": 0.5, "pasted": 1.0, "small": 1.0, "close": 0.5}


@pytest.fixture
def tiny_network(monkeypatch):
    monkeypatch.setattr("edgecnn.training.detection.task.models.build", build_tiny)
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)


COMMON = {"views": 24, "batch_size": 8, "input_size": 128}


@pytest.mark.usefixtures("tiny_network")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:2 of 14 images:edgecnn.data.left_out.DataWarning")
def test_the_stop_sign_detectors_come_from_the_same_trainer(shapes, signs, tmp_path):
    """From weights for other classes, with averaged weights and every lever for small signs; cut
    off in the middle of an epoch it ends with the same weights. The objects that are cut out are
    those of the same set, without the images that are validated on.
    """
    start = train("detector_nano", load("yolo", data_dir=shapes), out=tmp_path / "start.keras",
                  epochs=1, **COMMON)  # fmt: skip
    data = load("yolo", data_dir=signs)

    def trained_to(name, progress=silent):
        return train(
            "stop_sign_nano", data, out=tmp_path / f"{name}.keras", weights=start.path,
            cutouts=data, epochs=2, average=0.9, windows=0.5, folder=tmp_path / name,
            progress=progress, **LEVERS, **COMMON,
        )  # fmt: skip

    def killed(stage, done, total, message=""):
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        trained_to("cut", killed)
    assert not (tmp_path / "cut.keras").exists()
    whole, cut = trained_to("whole"), trained_to("cut")
    for one, other in zip(
        load_keras(whole.path).get_weights(), load_keras(cut.path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    manifest = whole.manifest
    assert manifest.labels == ("stop sign",)
    assert manifest.training["started_from"]["name"] == "start.keras"
    assert manifest.training["started_from"]["fresh"] == ["heat"]
    assert manifest.training["cutouts"]["sha256"] == data.sha256
    assert manifest.training["best_epoch"] == manifest.training["epochs_run"] == 2
    assert {name: manifest.training[name] for name in LEVERS} == LEVERS


class KilledError(Exception):
    pass


def test_views_with_every_lever_are_a_function_of_seed_epoch_and_batch(signs):
    subject = DetectionTask("stop_sign_nano", load("yolo", data_dir=signs), 128)
    recipe = config_for("stop_sign_nano", epochs=2, views=16, batch_size=8, **LEVERS | {"hard": 0})
    subject.prepare(recipe, seed=0, devices=1)
    images, wanted = subject.training(None, epoch=1, first=1)[0]
    again, _ = subject.training(None, epoch=1, first=0)[1]
    np.testing.assert_array_equal(images, again)
    assert images.shape == (8, 128, 128, 3)
    assert wanted.shape == (8, 16, 16, 6)
    assert (wanted[..., 0] > 0).any()


@pytest.mark.parametrize(
    ("model", "changes", "why"),
    [
        ("detector_nano", {"drawn": 0.2}, "drawn scenes hold stop signs"),
        ("stop_sign_nano", {"hard": 0.2}, "weights to start from get wrong, and none are given"),
        ("stop_sign_nano", {"negatives": 0.9, "drawn": 0.3}, "together at most 1"),
        ("stop_sign_nano", {"weights": "stop_sing_small"}, "unknown weights"),
        ("stop_sign_nano", {"augment": "light"}, "makes no use of augment"),
        ("detector_nano", {"input_size": 300}, "multiples of 64 up to 2048, received: .300, 300"),
    ],
)
def test_levers_that_do_not_fit_are_refused_before_anything_is_trained(
    signs, tmp_path, model, changes, why
):
    with pytest.raises(InputError, match=why):
        train(model, load("yolo", data_dir=signs), out=tmp_path / "m.keras", epochs=1, **changes)


def test_hard_images_are_refused_where_every_image_has_an_object(shapes):
    subject = DetectionTask("detector_nano", load("yolo", data_dir=shapes), 128)
    with pytest.raises(InputError, match="of shapes no such image is shown"):
        subject.prepare(config_for("detector_nano", epochs=1, hard=0.5), seed=0, devices=1)


def test_objects_are_cut_out_of_annotated_images_alone(signs, shapes):
    signs_alone = load("yolo", data_dir=signs)
    with pytest.raises(InputError, match="has no boxes"):
        DetectionTask("stop_sign_nano", signs_alone, 128, load("digits"))
    with pytest.raises(InputError, match="no box of stop sign to cut out"):
        DetectionTask("stop_sign_nano", signs_alone, 128, load("yolo", data_dir=shapes))


def test_one_image_is_too_few_and_says_why(tmp_path):
    folder = write_yolo(tmp_path / "one", {"train": 1})
    with pytest.raises(InputError, match="'validation' has a box"):
        DetectionTask("detector_nano", load("yolo", data_dir=folder))


def test_a_stop_sign_detector_is_not_trained_on_another_class(tmp_path):
    poles = write_yolo(tmp_path / "one", {"train": 8, "valid": 4}, kinds=["pole", "b", "c"])
    with pytest.raises(InputError, match="the class of one is 'pole'"):
        DetectionTask("stop_sign_nano", load("yolo", data_dir=poles, classes=["pole"]))
