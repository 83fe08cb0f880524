"""The user's word, then the manifest, then the proof, and otherwise a refusal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.feeding import InferredInput, choose_preprocessing, require_preprocessing
from edgecnn.manifest import Manifest, TensorSpec
from edgecnn.preprocessing import (
    PRESETS,
    ImagePreprocessing,
    SignalPreprocessing,
    SpectrogramPreprocessing,
    TextPreprocessing,
    with_preset,
)

STATISTICS = ImagePreprocessing(8, 8, 3, fit="pad", mean=(0.4,), std=(0.2,))
RAW = InferredInput("model", "the model begins with Rescaling(1/255)", "raw")


def base() -> ImagePreprocessing:
    """What a data set would have prepared: the size counts, its statistics do not."""
    return STATISTICS


def test_the_statistics_of_the_data_are_never_taken():
    choice = choose_preprocessing(base, Manifest())
    assert choice.preprocessing is None
    with pytest.raises(InputError, match=r"model.tflite: the preprocessing is unknown") as refused:
        require_preprocessing(choice, "model.tflite")
    assert all(name in refused.value.hint for name in PRESETS)


def test_what_the_model_proves_is_fed_and_said():
    choice = choose_preprocessing(base, Manifest(), proof=RAW)
    assert choice.preprocessing == with_preset(STATISTICS, "raw")
    assert choice.preprocessing.fit == "pad"
    assert choice.fed.sentence == ("fed 0…255, 8×8×3 NHWC: the model begins with Rescaling(1/255)")


def test_a_manifest_goes_before_a_proof_and_the_contradiction_is_said():
    choice = choose_preprocessing(base, Manifest(preprocessing=STATISTICS), proof=RAW)
    assert choice.preprocessing == STATISTICS
    assert choice.fed.known_from == "manifest"
    assert "Rescaling(1/255), which is for 0…255" in choice.fed.sentence


def test_a_manifest_that_agrees_with_the_proof_has_nothing_to_say():
    raw = with_preset(STATISTICS, "raw")
    choice = choose_preprocessing(base, Manifest(preprocessing=raw), proof=RAW)
    assert choice.fed.conflict == ""


def test_ranges_that_calibration_found_are_no_contradiction():
    quantized = InferredInput("quantization", "its scale is 0.9", "raw")
    assert (
        choose_preprocessing(base, Manifest(preprocessing=STATISTICS), proof=quantized).fed.conflict
        == ""
    )


def test_an_option_goes_before_the_manifest_and_says_so():
    choice = choose_preprocessing(base, Manifest(preprocessing=STATISTICS), option="raw")
    assert choice.preprocessing == with_preset(STATISTICS, "raw")
    assert choice.fed.known_from == "option"
    assert "the manifest says −2…3" in choice.fed.sentence


def test_an_option_against_the_proof_is_said():
    choice = choose_preprocessing(base, Manifest(), option="0..1", proof=RAW)
    assert "fed 0…1" in choice.fed.sentence
    assert "which is for 0…255" in choice.fed.sentence


@pytest.mark.parametrize(
    ("preset", "black", "white"),
    [
        ("raw", [0, 0, 0], [255, 255, 255]),
        ("0..1", [0, 0, 0], [1, 1, 1]),
        ("-1..1", [-1, -1, -1], [1, 1, 1]),
        ("imagenet-torch", [-2.118, -2.036, -1.804], [2.249, 2.429, 2.640]),
        ("caffe", [-103.939, -116.779, -123.68], [151.061, 138.221, 131.32]),
    ],
)
def test_presets_are_what_their_names_say(preset: str, black, white):
    made = with_preset(STATISTICS, preset)
    for level, expected in ((0, black), (255, white)):
        tensor = made(np.full((8, 8, 3), level, np.uint8))
        np.testing.assert_allclose(tensor[0, 0], expected, atol=2e-3)


def test_caffe_swaps_red_and_blue():
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0] = 200  # red
    tensor = with_preset(STATISTICS, "caffe")(image)
    np.testing.assert_allclose(tensor[0, 0], [-103.939, -116.779, 200 - 123.68], atol=1e-3)


def test_keras_prepares_images_in_the_same_way():
    keras = pytest.importorskip("keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    for module, preset in (("mobilenet", "-1..1"), ("resnet", "caffe"), ("densenet", "torch")):
        name = "imagenet-torch" if preset == "torch" else preset
        prepare = getattr(keras.applications, module).preprocess_input
        expected = prepare(images.astype(np.float32))
        np.testing.assert_allclose(with_preset(STATISTICS, name).batch(images), expected, atol=1e-3)


def test_a_file_may_hold_a_manifest_a_preprocessing_or_some_fields(tmp_path: Path):
    wanted = with_preset(STATISTICS, "0..1")
    contents = (
        Manifest(preprocessing=wanted).to_dict(),
        wanted.to_dict(),
        {"scale": 1 / 255, "mean": [0.0], "std": [1.0]},
    )
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        choice = choose_preprocessing(base, Manifest(), option=str(path))
        assert choice.preprocessing == wanted


@pytest.mark.parametrize(
    "content", ["", "[1]", "{}", '{"scales": 1}', '{"kind": "nothing"}', '{"scale": 1, "x": 2}',
                '{"kind": "image", "height": 9, "width": 8, "channels": 3}'],
)  # fmt: skip
def test_a_file_that_holds_no_preprocessing_is_refused(content: str, tmp_path: Path):
    path = tmp_path / "some.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"some.json|preprocessing"):
        choose_preprocessing(base, Manifest(), option=str(path))


def test_an_unknown_option_names_the_known_ones():
    with pytest.raises(InputError, match="unknown preprocessing 'rwa'") as error:
        choose_preprocessing(base, Manifest(), option="rwa")
    assert "'raw'" in error.value.hint


def test_gray_images_take_the_presets_too():
    gray = ImagePreprocessing(8, 8, 1)
    weighted = 0.299 * 123.68 + 0.587 * 116.779 + 0.114 * 103.939
    assert with_preset(gray, "caffe").mean == (round(weighted, 4),)
    assert with_preset(gray, "imagenet-torch").shape == (8, 8, 1)


def test_signals_may_be_raw_and_nothing_else():
    signal = SignalPreprocessing(16, 1, scale=0.5, mean=(3.0,), std=(2.0,), level="rms")
    assert with_preset(signal, "raw") == SignalPreprocessing(16, 1)
    with pytest.raises(InputError, match="is for images"):
        with_preset(signal, "0..1")
    with pytest.raises(InputError, match="numbers"):
        with_preset(TextPreprocessing(length=4, vocabulary=("a",)), "raw")


def test_a_record_survives_the_manifest():
    fed = choose_preprocessing(base, Manifest(), proof=RAW, layout="NCHW").fed
    assert (fed.shape, fed.layout) == ((3, 8, 8), "NCHW")
    manifest = Manifest(preprocessing=STATISTICS, feeding=fed)
    assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest
    again = choose_preprocessing(base, manifest)
    assert again.fed.because == fed.because


def test_a_manifest_without_the_record_is_read_as_before():
    values = Manifest(preprocessing=STATISTICS).to_dict()
    del values["feeding"]
    del values["preprocessing"]["order"]
    assert Manifest.from_dict(values).preprocessing == STATISTICS


def test_arrays_of_numbers_go_in_as_they_are():
    """Whoever keeps signals in an .npz has made them for the network."""
    base = lambda: SignalPreprocessing(40, 2, mean=(3.0, 3.0), std=(2.0, 2.0))  # noqa: E731
    choice = choose_preprocessing(base, Manifest(), are_tensors=True)
    samples = np.arange(80, dtype=np.float32).reshape(40, 2)
    np.testing.assert_array_equal(choice.preprocessing(samples), samples)
    assert choice.fed.known
    assert "as they are" in choice.fed.sentence
    assert choose_preprocessing(base, Manifest()).preprocessing is None


HEARS = Manifest(
    preprocessing=SpectrogramPreprocessing(32, rate=8000),
    inputs=(TensorSpec("sound", (1, 32, 40), "float32"),),
)


def test_sounds_of_another_rate_than_the_model_takes_are_refused():
    of_8, of_44 = (SpectrogramPreprocessing(32, rate=rate) for rate in (8000, 44100))
    assert choose_preprocessing(lambda: of_8, HEARS).preprocessing == of_8
    for option in (None, of_8):
        with pytest.raises(InputError, match="recordings of 8000 Hz, the data set has 44100 Hz"):
            choose_preprocessing(lambda: of_44, HEARS, option=option)


def test_where_no_sounds_are_at_hand_the_manifest_is_taken():
    def none() -> ImagePreprocessing:
        raise InputError("it takes no images")

    assert choose_preprocessing(none, HEARS).preprocessing == HEARS.preprocessing
    assert choose_preprocessing(base, HEARS).preprocessing == HEARS.preprocessing
