"""Inputs and outputs of Keras models: names, order, types and sizes arrive in TFLite and ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError
from tests.integration.conversion.keras_conversions import FLOATS, arrived, both, small

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow
layers = keras.layers

RNG = np.random.default_rng(0)


def test_names_and_order_of_several_inputs_and_outputs_are_kept(tmp_path: Path):
    wide, narrow = keras.Input((6, 6, 2), name="z_wide"), keras.Input((3,), name="a-narrow")
    shared = layers.Conv2D(2, 3, name="shared")
    inner = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(3, 1)], name="inner")
    features = inner(shared(wide))
    mask = layers.Conv2D(1, 1, name="z_mask")(features)
    edges = layers.Conv2D(2, 1, name="m_edges")(features)
    pooled = layers.GlobalAveragePooling2D()(features)
    score = layers.Dense(2, name="a_score")(layers.Concatenate()([pooled, narrow]))
    model = keras.Model([wide, narrow], [mask, edges, score], name="several")
    made = both(model, tmp_path)
    for manifest in made.values():
        assert [spec.name for spec in manifest.inputs] == ["z_wide", "a-narrow"]
        assert [spec.name for spec in manifest.outputs] == ["z_mask", "m_edges", "a_score"]
        assert [spec.shape[1:] for spec in manifest.outputs] == [(4, 4, 1), (4, 4, 2), (2,)]


def test_more_than_ten_outputs_stay_in_order(tmp_path: Path):
    vector = keras.Input((4,), name="vector")
    outputs = [layers.Dense(size, name=f"of_{size}")(vector) for size in range(1, 13)]
    for manifest in both(keras.Model(vector, outputs, name="many"), tmp_path).values():
        assert [spec.name for spec in manifest.outputs] == [f"of_{n}" for n in range(1, 13)]
        assert [spec.shape[-1] for spec in manifest.outputs] == list(range(1, 13))


def test_dictionaries_in_and_out_keep_their_keys(tmp_path: Path):
    taken = {"left": keras.Input((4,), name="left"), "right": keras.Input((4,), name="right")}
    total = layers.Add(name="sum")([taken["left"], taken["right"]])
    given = {"total": layers.Dense(2)(total), "first": layers.Dense(3)(taken["left"])}
    for manifest in both(keras.Model(taken, given, name="named"), tmp_path).values():
        assert {spec.name for spec in manifest.inputs} == {"left", "right"}
        assert {spec.name: spec.shape[-1] for spec in manifest.outputs} == {"total": 2, "first": 3}


def test_a_fixed_batch_is_opened_and_said(tmp_path: Path):
    tensor = keras.Input(batch_shape=(8, 6, 6, 1), name="eight")
    model = keras.Model(tensor, layers.Conv2D(2, 3)(tensor), name="batched")
    outcomes = convert(model, FLOATS, out=tmp_path, samples=4)
    made = arrived(outcomes)
    assert made["onnx:float32"].inputs[0].shape == (None, 6, 6, 1)
    assert any("batches of 8" in note for note in outcomes[0].notes)


def test_a_state_that_no_file_keeps_is_one_line(tmp_path: Path):
    tensor = keras.Input(batch_shape=(8, 5, 2))
    model = keras.Model(tensor, layers.LSTM(3, stateful=True, name="memory")(tensor), name="kept")
    with pytest.raises(InputError, match="the LSTM 'memory' is stateful") as caught:
        convert(model, "all", out=tmp_path / "out")
    assert "batches of 8" in caught.value.message
    assert "stateful=False" in caught.value.hint


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_whole_numbers_go_in_as_the_model_takes_them(dtype: str, tmp_path: Path):
    tensor = keras.Input((8, 8, 3), dtype=dtype, name="pixels")
    scaled = layers.Rescaling(1 / 255)(tensor)
    model = keras.Model(tensor, layers.Conv2D(2, 3)(scaled), name="camera")
    for manifest in both(model, tmp_path).values():
        assert manifest.inputs[0].dtype == dtype


def test_uint8_pixels_can_be_quantized_and_are_fed_raw(tmp_path: Path):
    tensor = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    scaled = layers.Rescaling(1 / 255)(tensor)
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(scaled))
    model = keras.Model(tensor, layers.Dense(2)(pooled), name="camera")
    # Flat images of different brightness: the mean of noise is nearly the same for all.
    levels = RNG.integers(0, 226, (24, 1, 1, 3))
    images = (levels + RNG.integers(0, 30, (24, 8, 8, 3))).astype(np.uint8)
    split = Split(images, np.arange(24) % 2)
    data = Dataset("noise", "classification", ("0", "1"), {"train": split}, "feed", (8, 8, 3))
    outcomes = convert(
        model, ["tflite:static_int8", "onnx:static_int8"], out=tmp_path, calibration=data
    )
    for outcome in outcomes:
        assert outcome.status == "converted", outcome.error
        assert outcome.fed.values == "0…255"
        assert outcome.parity.snr_db > 10  # weights are random; fed in 0…1 it is below 0


def test_float16_and_float64_inputs_become_float32(tmp_path: Path):
    for dtype in ("float16", "float64"):
        tensor = keras.Input((6,), dtype=dtype, name="numbers")
        model = keras.Model(tensor, layers.Dense(2, dtype=dtype)(tensor), name=dtype)
        outcomes = convert(model, FLOATS, out=tmp_path, samples=4)
        for manifest in arrived(outcomes).values():
            assert manifest.inputs[0].dtype == "float32"
        assert any(dtype in note for note in outcomes[0].notes)


def open_sizes(folder: Path, kind: str) -> Path:
    image = keras.Input((None, None, 3), name="picture")
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(image))
    model = keras.Model(image, layers.Dense(2)(pooled))
    if kind == "keras":
        model.save(folder / "open.keras")
        return folder / "open.keras"
    model.export(str(folder / "open"), format="tf_saved_model", verbose=False)
    return folder / "open"


@pytest.mark.parametrize("kind", ["keras", "saved_model"])
def test_a_file_for_other_sizes_is_another_file(kind: str, tmp_path: Path):
    path, out = open_sizes(tmp_path, kind), tmp_path / "art"
    (first,) = convert(path, "tflite:float32", out=out, samples=4, shape="1x8x6x3")
    (again,) = convert(path, "tflite:float32", out=out, samples=4, shape="picture=8x6x3")
    assert (first.status, again.status) == ("converted", "reused")
    with pytest.raises(InputError, match="made from another model or with other settings"):
        convert(path, "tflite:float32", out=out, samples=4, shape="1x6x8x3")
    assert verify_artifact(first.artifact.path, parent=path).passed  # its sizes are on record


def test_sizes_are_recorded_of_what_leaves_them_open(tmp_path: Path):
    first = keras.Input((None, 3), name="first")
    second = keras.Input((4,), name="second")
    pooled = layers.GlobalAveragePooling1D()(first)
    model = keras.Model([first, second], layers.Dense(2)(layers.Concatenate()([pooled, second])))
    model.save(tmp_path / "two.keras")
    opened = open_source(tmp_path / "two.keras", OpenOptions(shape="first=5x3"))
    assert opened.source.record() == {"shape": "first=1x5x3"}
    small().save(tmp_path / "fixed.keras")
    fixed = open_source(tmp_path / "fixed.keras", OpenOptions(shape="1x8x8x3"))
    assert fixed.source.record() == {}
