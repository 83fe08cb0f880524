"""The shipped detectors see: in every runtime, on any image, within what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.data.boxes.base import split_in_blocks
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.splitting.held_out import complete_splits
from edgecnn.data.splitting.training_overlap import overlap_mask
from edgecnn.data.synthetic import faces
from edgecnn.data.synthetic.backgrounds import draw_background
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.errors import InputError
from edgecnn.evaluation.detection import GroundTruth, evaluate_detections
from edgecnn.geometry import iou
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.system.places import ASSETS
from edgecnn.vision import Detections, load_detector
from edgecnn.vision.detectors.detector import shipped_models

cv2 = pytest.importorskip("cv2", reason="images are resized with opencv-python")

FILES = sorted(path.name for path in ASSETS.glob("*") if path.suffix in (".tflite", ".onnx"))
RUNTIMES = {"tflite": ("litert:cpu",), "onnx": ("onnxruntime:cpu", "openvino:cpu", "opencv:cpu")}
PAIRS = [(name, runtime) for name in FILES for runtime in RUNTIMES[name.rpartition(".")[2]]]


def street_with_a_sign(side=120, left=300, top=160):
    """(image BGR (480, 640, 3), box): one frontal sign on a drawn street."""
    rng = np.random.default_rng(11)
    image = draw_background(rng, 480, 640)
    face = cv2.resize(faces.stop_face(rng, word="STOP"), (side, side), interpolation=cv2.INTER_AREA)
    region = image[top : top + side, left : left + side]
    cover = face[:, :, 3:].astype(np.float32) / 255
    region[:] = np.rint(region + (face[:, :, :3].astype(np.float32) - region) * cover)
    box = np.asarray([[left, top, left + side, top + side]], np.float32)
    return np.ascontiguousarray(image[:, :, ::-1]), box


@pytest.fixture(scope="module")
def detector():
    return load_detector("stop_sign_small")


def test_both_models_ship_within_few_megabytes():
    assert set(shipped_models()) == {"stop_sign_small", "stop_sign_nano"}
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) <= 5_400_000


@pytest.mark.parametrize(("name", "runtime"), PAIRS)
def test_every_file_finds_the_sign_in_every_runtime(name, runtime):
    pytest.importorskip(
        {"litert": "ai_edge_litert", "opencv": "cv2"}.get(runtime[:-4], runtime[:-4]),
        reason=f"{runtime} is not installed",
    )
    image, box = street_with_a_sign()

    found = load_detector(ASSETS / name, runtime=runtime)(image)

    assert len(found) == 1
    assert iou(found.xyxy, box)[0, 0] > 0.75
    assert found.xyxy.dtype == found.scores.dtype == np.float32


def test_a_name_stands_for_the_file_its_runtime_reads():
    assert load_detector("stop_sign_nano").artifact.name == "stop_sign_nano_static_int8.tflite"
    with pytest.raises(InputError, match="stop_sing_small"):
        load_detector("stop_sing_small")
    with pytest.raises(InputError, match="no such file"):
        load_detector("nowhere/model.tflite")


def test_the_shipped_threshold_holds_unless_another_is_given(detector):
    image, _ = street_with_a_sign()

    assert detector.min_score == detector.artifact.manifest.metrics["min_score"]
    assert len(load_detector("stop_sign_small", min_score=1.0)(image)) == 0
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            load_detector("stop_sign_small", min_score=wrong)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_boxes_are_in_pixels_of_the_image_that_was_given(detector, scale):
    image, box = street_with_a_sign()
    scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    found = detector(scaled)

    assert iou(found.xyxy, box * np.float32(scale))[0, 0] > 0.7


IMAGES = {
    "1×1": (1, 1, 3), "a line": (1, 900, 3), "a column": (700, 1, 3), "gray": (240, 320),
    "gray with an axis": (240, 320, 1), "alpha": (240, 320, 4), "6000×8000": (6000, 8000, 3),
}  # fmt: skip


@pytest.fixture(scope="module")
def credulous():
    """It takes nearly everything for a sign, so that there are boxes in any image."""
    return load_detector("stop_sign_small", min_score=0.001)


@pytest.mark.parametrize("kind", IMAGES)
def test_any_image_gives_detections_inside_it(credulous, kind):
    shape = IMAGES[kind]
    image = np.zeros(shape, np.uint8)
    image[: shape[0] // 2] = 200

    found = credulous(image)

    assert isinstance(found, Detections)
    assert len(found) or kind == "a line"  # which is all black
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= (shape[1], shape[0], shape[1], shape[0])).all()


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9, 3)), np.zeros((9, 9, 2), np.uint8), np.zeros((0, 9, 3), np.uint8), None, "x"],
)
def test_what_is_no_image_is_refused(detector, image):
    with pytest.raises(InputError, match="received"):
        detector(image)


def test_an_image_is_not_changed_and_may_be_a_view(detector):
    image, box = street_with_a_sign()
    view = np.asfortranarray(image)[:, ::1]
    before = image.copy()

    found = detector(view)

    np.testing.assert_array_equal(image, before)
    assert iou(found.xyxy, box)[0, 0] > 0.75


def test_the_fast_way_in_agrees_with_the_reference(detector):
    """Exactly where nothing is resized; within 2 gray levels on average where it is."""
    letterbox = detector.preprocessing
    assert isinstance(letterbox, LetterboxPreprocessing)
    spec = detector.session.inputs[0]
    side = letterbox.width
    for height, width, tolerance in [(side * 3 // 4, side, 0), (480, 640, 2), (900, 1600, 2)]:
        rgb = SyntheticScenes(3, 1, height, width)[0].image
        tensor, _ = detector.prepare(np.ascontiguousarray(rgb[:, :, ::-1]))
        real = (tensor.astype(np.float32) - spec.zero_point) * spec.scale
        reference = letterbox(rgb)

        levels = np.abs(real[0] - reference) * 255
        rounding = 255 * spec.scale
        assert levels.mean() <= tolerance + rounding


def test_a_classifier_is_refused(lenet_artifacts):
    with pytest.raises(InputError, match="not a detector"):
        load_detector(lenet_artifacts["tflite:float32"].path)


def held_out(shared_data, count):
    files = [
        file
        for name in ("roadsign877", "rf_stopsigns210")
        for data in split_in_blocks(
            load_coco(shared_data / "stop_signs" / name), block=40, every=5, offset=2
        )[1:]
        for file in [*data.positives[:count], *data.negatives[:count]]
    ]
    return [(file, np.ascontiguousarray(file.load().image[:, :, ::-1])) for file in files]


def scores_of(detector, photos):
    ground_truths, found = [], []
    for file, image in photos:
        result = detector(image)
        ground_truths.append(GroundTruth(file.boxes, file.ignored, file.height, file.width))
        found.append(result)
    return evaluate_detections(
        ground_truths, found, min_score=0.4, place=detector.preprocessing.place
    )


def test_int8_finds_what_float_finds_on_real_photos(shared_data):
    pytest.importorskip("faster_coco_eval", reason="AP is computed by faster-coco-eval")
    pytest.importorskip("onnxruntime", reason="the float model runs in ONNX Runtime")
    photos = held_out(shared_data, 20)

    whole = scores_of(
        load_detector(
            ASSETS / "stop_sign_small_float32.onnx", runtime="onnxruntime:cpu", min_score=0.01
        ),
        photos,
    )
    small = scores_of(load_detector("stop_sign_small", min_score=0.01), photos)

    assert small.ap50 >= whole.ap50 - 0.02
    assert small.ap50_95 >= whole.ap50_95 - 0.03
    assert small.ap50 > 0.85


@pytest.mark.parametrize("source", ["ardakbas", "far_validation"])
def test_a_source_that_judges_is_not_among_those_trained_on(shared_data, detector, source):
    dataset = load(f"coco:{shared_data / 'stop_signs' / source}")
    seen = overlap_mask(detector.artifact.manifest, dataset, "test")
    assert seen is not None
    assert not seen.any()


@pytest.mark.parametrize("source", ["roadsign877", "rf_stopsigns210", "gtsdb", "rf_stopsign_my"])
def test_of_the_sources_trained_on_the_held_out_blocks_were_not_seen(shared_data, detector, source):
    dataset = load(f"coco:{shared_data / 'stop_signs' / source}")
    seen = overlap_mask(detector.artifact.manifest, dataset, "test")
    divided = complete_splits(dataset)
    paths = [file.path for file in dataset["test"].files]
    for split, trained in (("train", True), ("validation", False)):
        assert {path for path, was in zip(paths, seen, strict=True) if bool(was) is trained} == {
            file.path for file in divided[split].files
        }


@pytest.mark.parametrize("size", [None, (192, 320)])
@pytest.mark.parametrize("runtime", ["litert:cpu", "onnxruntime:cpu", "openvino:cpu", "opencv:cpu"])
def test_a_shipped_detector_runs_everywhere_at_any_size(runtime, size, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    detector = load_detector("stop_sign_nano", runtime=runtime, input_size=size)
    assert detector.preprocessing.shape == (*(size or (384, 384)), 3)
    scene = SyntheticScenes(4, 1, 216, 384)[0]  # one sign, far above the threshold
    found = detector(np.ascontiguousarray(scene.image[:, :, ::-1]))
    assert len(found) == len(scene.boxes) == 1
    assert iou(found.xyxy[:1], scene.boxes)[0, 0] > 0.6
