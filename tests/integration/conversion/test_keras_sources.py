"""Keras models of all kinds to TFLite and ONNX: what they compute arrives, names included."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.outcome import ConversionOutcome
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow
layers = keras.layers

FLOATS = ["tflite:float32", "onnx:float32"]
RNG = np.random.default_rng(0)
NEAR = 1e-3


def arrived(outcomes: list[ConversionOutcome]) -> dict[str, Any]:
    """The manifests by target, of files that all compute what their parent does."""
    for outcome in outcomes:
        assert outcome.status == "converted", f"{outcome.target}: {outcome.error}"
        assert outcome.parity.max_abs_error < NEAR
    return {str(outcome.target): outcome.artifact.manifest for outcome in outcomes}


def both(model: Any, folder: Path, **options: Any) -> dict[str, Any]:
    return arrived(convert(model, FLOATS, out=folder / "art", samples=4, **options))


def small(name: str = "small", **options: Any) -> Any:
    image = keras.Input((8, 8, 3), name="picture", **options)
    features = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    pooled = layers.GlobalAveragePooling2D(name="pool")(features)
    return keras.Model(image, layers.Dense(3, name="scores")(pooled), name=name)


# Layers


def constants() -> Any:
    """Layers whose numbers are constants and no variables."""
    mean, variance = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    return [layers.Normalization(mean=mean, variance=variance), layers.Rescaling([0.1, 0.2, 0.3])]


def exact_gelu() -> Any:
    return [layers.Conv2D(4, 3, activation="gelu")]


def odd_activations() -> Any:
    return [layers.Conv2D(4, 3, activation=name) for name in ("silu", "mish", "celu", "hard_silu")]


def grouped() -> Any:
    """Keras compiles a convolution in groups by itself, as a function inside of the graph."""
    return [layers.Conv2D(4, 3, groups=1), layers.Conv2D(4, 3, groups=2)]


@pytest.mark.parametrize("build", [constants, exact_gelu, odd_activations, grouped])
def test_layers_compute_the_same_in_both_formats(build: Callable[[], Any], tmp_path: Path):
    model = keras.Sequential([keras.Input((12, 12, 3)), *build(), layers.GlobalMaxPooling2D()])
    both(model, tmp_path)


def test_normalization_and_exact_gelu_can_be_quantized_to_onnx(tmp_path: Path):
    model = keras.Sequential([keras.Input((12, 12, 3)), *constants(), *exact_gelu()])
    images = RNG.integers(0, 255, (16, 12, 12, 3)).astype(np.uint8)
    split = Split(images, np.arange(16) % 2)
    data = Dataset("noise", "classification", ("0", "1"), {"train": split}, "feed", (12, 12, 3))
    (outcome,) = convert(
        model, "onnx:static_int8", out=tmp_path, calibration=data, preprocessing="raw"
    )
    assert outcome.status == "converted", outcome.error
    assert outcome.parity.snr_db > 15


def test_the_place_of_the_largest_value_arrives_in_both_formats(tmp_path: Path):
    tensor = keras.Input((5, 4), name="values")
    places = [
        keras.ops.argmax(tensor, axis=-1),
        keras.ops.argmin(tensor, axis=1, keepdims=True),
    ]
    both(keras.Model(tensor, places), tmp_path)


def test_a_model_that_keras_quantized_is_refused_in_one_line(tmp_path: Path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="scores")], name="packed")
    model.get_layer("scores").quantize("int8")
    with pytest.raises(InputError, match=r"packed is quantized by Keras already \(int8.*'scores'"):
        convert(model, FLOATS, out=tmp_path)


# Inputs and outputs


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


# Files


def test_content_decides_whatever_the_file_is_called(tmp_path: Path):
    small().save(tmp_path / "a.keras")
    odd = (tmp_path / "a.keras").rename(tmp_path / "a.bin")
    both(odd, tmp_path)


def test_hdf5_and_its_halves_are_taken(tmp_path: Path):
    model = small()
    model.save(tmp_path / "whole.h5")
    model.save_weights(tmp_path / "half.weights.h5")
    (tmp_path / "half.json").write_text(model.to_json())
    digits = both(tmp_path / "whole.h5", tmp_path / "1")["onnx:float32"]
    assert digits.model == "whole"
    both(tmp_path / "half.json", tmp_path / "2", weights=tmp_path / "half.weights.h5")


def test_each_half_alone_says_what_is_missing(tmp_path: Path):
    model = small()
    model.save_weights(tmp_path / "half.weights.h5")
    (tmp_path / "half.json").write_text(model.to_json())
    for half, words in (("half.weights.h5", "without an architecture"), ("half.json", "without w")):
        with pytest.raises(InputError, match=words) as caught:
            open_source(tmp_path / half)
        assert "--weights" in caught.value.hint


def test_weights_of_another_network_are_refused(tmp_path: Path):
    other = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "half.json").write_text(small().to_json())
    with pytest.raises(InputError, match="its weights are not those of small"):
        open_source(tmp_path / "half.json", OpenOptions(weights=str(tmp_path / "other.weights.h5")))


def test_an_unpacked_archive_is_taken(tmp_path: Path):
    small().save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        archive.extractall(tmp_path / "folder")
    both(tmp_path / "folder", tmp_path)


def test_a_saved_model_is_taken_by_its_signature(tmp_path: Path):
    model = keras.Sequential([keras.Input((8, 8, 3), name="picture"), layers.Rescaling(1 / 255),
                              layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])  # fmt: skip
    model.export(str(tmp_path / "saved"), format="tf_saved_model", verbose=False)
    opened = open_source(tmp_path / "saved")
    assert opened.source.proof().preset == "raw"
    made = both(tmp_path / "saved", tmp_path)
    assert made["tflite:float32"].inputs[0].name == "picture"


def test_a_saved_model_without_a_signature_or_with_links_out_is_refused(tmp_path: Path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(InputError, match="no signature 'serving_default'"):
        open_source(tmp_path / "empty")
    (tmp_path / "empty" / "assets" / "link").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="lies outside this folder"):
        open_source(tmp_path / "empty")


def test_a_graph_that_reads_files_is_not_loaded(tmp_path: Path):
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32)])
    def serve(x: Any) -> Any:
        stolen = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return {"sum": x + tf.cast(stolen, tf.float32)}

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "reads"), signatures=serve)
    with pytest.raises(InputError, match="the operator ReadFile") as caught:
        open_source(tmp_path / "reads")
    assert "--allow-unsafe" in caught.value.hint


# Keras 2


@pytest.fixture
def keras_2() -> Any:
    return pytest.importorskip("tf_keras")


def old_model(keras_2: Any, *, functions: bool = False) -> Any:
    tensor = keras_2.Input((8, 8, 3), name="picture")
    features = keras_2.layers.DepthwiseConv2D(3, name="depthwise")(tensor)
    if functions:
        features = features * 2.0 + 1.0  # TFOpLambda, which Keras 3 does not have
    pooled = keras_2.layers.GlobalAveragePooling2D()(features)
    return keras_2.Model(tensor, keras_2.layers.Dense(3, name="scores")(pooled), name="old")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("functions", [False, True])
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_models_of_keras_2_are_taken(keras_2: Any, ending: str, functions: bool, tmp_path: Path):
    path = tmp_path / f"old.{ending}"
    old_model(keras_2, functions=functions).save(path)
    made = both(path, tmp_path)
    for manifest in made.values():
        assert manifest.inputs[0].name == "picture"
        assert manifest.outputs[0].name == "scores"


def test_a_saved_model_of_keras_2_keeps_the_order_of_its_outputs(keras_2: Any, tmp_path: Path):
    tensor = keras_2.Input((6,), name="numbers")
    outputs = [keras_2.layers.Dense(2, name="z")(tensor), keras_2.layers.Dense(3, name="a")(tensor)]
    keras_2.Model(tensor, outputs).save(tmp_path / "old", save_format="tf")
    made = both(tmp_path / "old", tmp_path)
    assert [spec.name for spec in made["onnx:float32"].outputs] == ["z", "a"]


# Code


def test_a_lambda_in_hdf5_is_named_and_never_run(tmp_path: Path):
    trace = tmp_path / "the-code-ran"
    code = f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]"
    layer = layers.Lambda(eval(code), output_shape=(4,), name="sneaky")
    keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / "lambda.h5")
    trace.unlink(missing_ok=True)
    with pytest.raises(InputError, match="Lambda layer named 'sneaky'"):
        open_source(tmp_path / "lambda.h5")
    assert not trace.exists()


def test_a_function_that_does_more_than_compute_is_named(tmp_path: Path):
    config = {
        "class_name": "Functional",
        "keras_version": "2.15.0",
        "config": {
            "layers": [
                {"class_name": "TFOpLambda", "name": "w", "config": {"function": "io.write_file"}}
            ]
        },
    }
    (tmp_path / "a.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"io\.write_file"):
        open_source(tmp_path / "a.json", OpenOptions(weights=__file__))


MODULE = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2
"""


def test_layers_of_ones_own_are_defined_by_a_module(tmp_path: Path):
    (tmp_path / "mine.py").write_text(MODULE)
    space: dict[str, Any] = {"__name__": "elsewhere"}
    exec(MODULE, space)
    keras.Sequential([keras.Input((4,)), space["Twice"](), layers.Dense(2)]).save(
        tmp_path / "own.keras"
    )
    with pytest.raises(InputError, match="needs the class 'Twice'") as caught:
        open_source(tmp_path / "own.keras")
    assert "--custom" in caught.value.hint
    both(tmp_path / "own.keras", tmp_path, custom=[tmp_path / "mine.py"])


def test_a_changed_module_makes_another_model(tmp_path: Path):
    module, path, out = tmp_path / "mine.py", tmp_path / "own.keras", tmp_path / "art"
    module.write_text(MODULE)
    space: dict[str, Any] = {"__name__": "elsewhere"}
    exec(MODULE, space)
    keras.Sequential([keras.Input((4,)), space["Twice"](), layers.Dense(2)]).save(path)
    statuses = [
        convert(path, "tflite:float32", out=out, samples=4, custom=[module])[0].status
        for _ in range(2)
    ]
    assert statuses == ["converted", "reused"]
    module.write_text(MODULE.replace("x * 2", "x * 3"))
    with pytest.raises(InputError, match="made from another model or with other settings"):
        convert(path, "tflite:float32", out=out, samples=4, custom=[module])


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


def test_a_module_that_fails_is_one_line(tmp_path: Path):
    (tmp_path / "bad.py").write_text("raise RuntimeError('no luck')\n")
    small().save(tmp_path / "a.keras")
    with pytest.raises(InputError, match=r"bad\.py fails when it is run .*no luck"):
        open_source(tmp_path / "a.keras", OpenOptions(custom=(tmp_path / "bad.py",)))


# Before minutes are spent


def test_operators_that_a_format_lacks_are_named_with_their_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Odd(layers.Layer):
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            return tf.math.lgamma(tf.math.igamma(x, x + 1.0))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), Odd(name="strange")], name="odd")

    def never(*_arguments: object) -> None:
        raise AssertionError("a converter was started")

    monkeypatch.setattr("edgecnn.conversion.exporters.tensorflow_to_onnx.write_float_onnx", never)
    monkeypatch.setattr(
        "edgecnn.conversion.exporters.tensorflow_to_tflite.write_float_tflite", never
    )
    for outcome in convert(model, FLOATS, out=tmp_path, samples=4):
        assert outcome.status == "unsupported"
        assert "Igamma (from strange)" in outcome.error


def test_what_goes_wrong_with_one_target_stays_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("edgecnn.conversion.float_files.onnx_quantizer.quantize_onnx", broken)
    outcomes = convert(
        small(), ["onnx:float16", "onnx:float32", "tflite:float32"], out=tmp_path, samples=4
    )
    assert [outcome.status for outcome in outcomes] == ["failed", "converted", "converted"]
    assert outcomes[0].error == "unexpected ZeroDivisionError: oops"
    assert isinstance(outcomes[0].bug, ZeroDivisionError)
