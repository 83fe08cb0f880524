"""Networks of keras.applications by name: built here, fed as their weights were trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.errors import InputError
from edgecnn.models.applications import APPLICATIONS, application
from edgecnn.preprocessing import ImagePreprocessing, with_preset

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow

FAMILIES = {
    "MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2", "MobileNetV3Small": "mobilenet_v3",
    "EfficientNetB0": "efficientnet", "EfficientNetV2B0": "efficientnet_v2", "ResNet50": "resnet",
    "ResNet50V2": "resnet_v2", "DenseNet121": "densenet", "NASNetMobile": "nasnet",
    "InceptionV3": "inception_v3", "InceptionResNetV2": "inception_resnet_v2",
    "Xception": "xception", "VGG16": "vgg16", "ConvNeXtTiny": "convnext",
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_fed_is_what_preprocess_input_makes(name: str):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    module = getattr(keras.applications, FAMILIES[name])
    wanted = module.preprocess_input(pixels[None].astype(np.float32))[0]
    made = with_preset(ImagePreprocessing(8, 8, 3), application(name).preset)(pixels)
    assert np.abs(made - wanted).max() < 1e-4


def test_every_network_of_keras_is_listed():
    there = {
        name for name in dir(keras.applications) if callable(getattr(keras.applications, name))
    }
    assert there == set(APPLICATIONS)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as users have it: a narrow network for three classes, at a small size."""
    model = keras.applications.MobileNet(
        weights=None, alpha=0.25, classes=3, input_shape=(32, 32, 3)
    )
    path = tmp_path_factory.mktemp("weights") / "mine.weights.h5"
    model.save_weights(path)
    return path


def test_width_and_classes_follow_from_the_weights(weights: Path):
    opened = open_source("mobilenet", OpenOptions(weights=str(weights), shape="32x32x3"))
    assert opened.source.model.output_shape == (None, 3)
    assert opened.source.model.get_layer("conv1").filters == 8
    assert opened.source.record() == {"shape": "1x32x32x3"}
    assert opened.manifest.preprocessing == with_preset(ImagePreprocessing(32, 32, 3), "-1..1")
    assert opened.manifest.task == "classification"


def test_nothing_is_downloaded_and_the_option_is_named():
    with pytest.raises(InputError, match="needs its weights") as caught:
        open_source("MobileNetV2")
    assert "--weights FILE" in caught.value.hint


def test_weights_of_another_network_are_refused(weights: Path):
    with pytest.raises(InputError, match="does not hold the weights of VGG16"):
        open_source("VGG16", OpenOptions(weights=str(weights), shape="32x32x3"))


def test_a_name_that_is_none_offers_the_nearest():
    with pytest.raises(InputError, match="no such file") as caught:
        open_source("MobilNetV2", OpenOptions(weights="none"))
    assert "MobileNetV2" in caught.value.hint


def test_a_network_with_fresh_weights_arrives_and_says_so(tmp_path: Path):
    outcomes = convert(
        "MobileNetV3Small", "onnx:float32", out=tmp_path, weights="none", shape="32x32x3", samples=2
    )
    (outcome,) = outcomes
    assert outcome.status == "converted", outcome.error
    assert outcome.artifact.name == "MobileNetV3Small_float32.onnx"
    assert any("random weights" in note for note in outcome.notes)
