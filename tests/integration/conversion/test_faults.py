"""What goes wrong in a conversion, and what is left of it."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn.conversion import converter as module
from edgecnn.conversion import float_files
from edgecnn.conversion.convert import convert, convert_one
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError
from edgecnn.manifest import sha256_of, sidecar_path

if TYPE_CHECKING:
    from tests.integration.conversion.conftest import Converted

QUICK = ["tflite:float32", "tflite:float16"]


@pytest.fixture
def work(plain: Converted, tmp_path: Path) -> Path:
    """A copy of the parent in a folder of its own."""
    return Path(shutil.copy(plain.parent, tmp_path / "plain.keras"))


def small_model(shape: tuple[int | None, ...] = (4, 4, 1), dtype: str = "float32"):
    import keras
    from keras.layers import Dense, GlobalAveragePooling2D

    tensor = keras.Input(shape, dtype=dtype, name="picture")
    return keras.Model(tensor, Dense(2)(GlobalAveragePooling2D()(tensor)), name="small")


def stat(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


# A second run


def test_a_second_run_reuses_everything(plain: Converted, digits: Dataset):
    before = stat(plain.folder)
    wanted = {"calibration": digits, "preprocessing": digits.preprocessing((16, 16, 1))}
    outcomes = convert(plain.parent, "all", out=plain.folder, samples=64, **wanted)
    assert {outcome.status for outcome in outcomes} == {"reused"}
    assert [outcome.parity for outcome in outcomes] == [
        outcome.parity for outcome in plain.outcomes.values()
    ]
    assert stat(plain.folder) == before


def test_force_makes_it_again(work: Path, tmp_path: Path):
    out = tmp_path / "out"
    convert(work, QUICK, out=out, samples=4)
    outcomes = convert(work, QUICK, out=out, samples=4, force=True)
    assert {outcome.status for outcome in outcomes} == {"converted"}


def test_files_made_with_other_settings_are_not_replaced(work: Path, tmp_path: Path):
    out = tmp_path / "out"
    convert(work, QUICK, out=out, samples=4)
    before = stat(out)
    with pytest.raises(InputError, match="exists already") as caught:
        convert(work, QUICK, out=out, samples=5)
    assert "--force" in caught.value.hint
    assert stat(out) == before


def test_a_foreign_file_in_the_way_is_not_replaced(work: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plain_float32.tflite").write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already"):
        convert(work, QUICK, out=tmp_path / "out", samples=4)
    assert (tmp_path / "out" / "plain_float32.tflite").read_bytes() == b"precious"


def test_a_changed_artifact_is_not_taken_for_the_original(work: Path, tmp_path: Path):
    out = tmp_path / "out"
    (artifact,) = (outcome.artifact for outcome in convert(work, QUICK[:1], out=out, samples=4))
    with artifact.path.open("ab") as file:
        file.write(b"\0")
    sidecar_path(artifact.path).write_text(
        sidecar_path(artifact.path).read_text().replace('"plain"', '"other"')
    )
    outcomes = convert(work, QUICK[:1], out=out, samples=4)  # its own manifest is inside
    assert outcomes[0].status == "converted"


# An interruption


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    quantize = float_files.tflite_quantizer.quantize_tflite

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(float_files.tflite_quantizer, "quantize_tflite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(work, QUICK, out=out, samples=4)
    assert sorted(path.name for path in out.iterdir()) == [
        "plain_float32.tflite",
        "plain_float32.tflite.manifest.json",
    ]
    monkeypatch.setattr(float_files.tflite_quantizer, "quantize_tflite", quantize)
    assert [outcome.status for outcome in convert(work, QUICK, out=out, samples=4)] == [
        "reused",
        "converted",
    ]


def test_a_file_that_lost_its_sidecar_to_an_interruption_is_made_again(work: Path, tmp_path: Path):
    out = tmp_path / "out"
    artifact = convert_one(work, QUICK[0], out=out, samples=4)
    sidecar_path(artifact.path).unlink()
    (outcome,) = convert(work, QUICK[0], out=out, samples=4)
    assert outcome.status == "converted"
    assert sidecar_path(artifact.path).exists()


@pytest.mark.parametrize("step", ["creating", "rewriting"])
def test_a_full_disk_is_a_line_and_leaves_no_half_file(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "creating":
        monkeypatch.setattr("edgecnn.system.scratch.tempfile.mkstemp", full)
    else:
        monkeypatch.setattr(module, "embed_manifest", full)
    out = tmp_path / "out"
    outcomes = convert(work, QUICK, out=out, samples=4)
    for outcome in outcomes:
        assert outcome.status == "failed"
        assert "No space left on device" in outcome.error
    assert not out.exists() or not list(out.iterdir())


# One target that fails


def test_a_target_that_fails_says_why_and_the_rest_go_on(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import tf2onnx

    calls = []

    def broken(*_arguments: object, **_options: object) -> None:
        calls.append(1)
        raise AssertionError("operator Fancy\nis not supported\n" + "noise\n" * 100)

    monkeypatch.setattr(tf2onnx.convert, "from_graph_def", broken)
    outcomes = {
        str(outcome.target): outcome
        for outcome in convert(
            work, ["onnx:float32", "onnx:float16", "tflite:float32"], out=tmp_path, samples=4
        )
    }
    assert outcomes["tflite:float32"].status == "converted"
    for target in ("onnx:float32", "onnx:float16"):
        assert outcomes[target].status == "failed"
        assert outcomes[target].error == "tf2onnx failed: AssertionError: operator Fancy"
        assert "tflite target" in outcomes[target].hint
    assert len(calls) == 1  # the float file is tried once for all recipes


def test_running_out_of_memory_is_not_an_outcome(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import tf2onnx

    def broken(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(tf2onnx.convert, "from_graph_def", broken)
    with pytest.raises(MemoryError):
        convert(work, "onnx:float32", out=tmp_path, samples=4)


def test_an_operator_that_no_converter_knows_is_a_line(tmp_path: Path):
    import keras

    class Determinant(keras.layers.Layer):
        def call(self, inputs):
            import tensorflow as tf

            return tf.linalg.det(inputs)[:, None]

        def compute_output_shape(self, shape):
            return (shape[0], 1)

    tensor = keras.Input((3, 3))
    model = keras.Model(tensor, Determinant()(tensor), name="odd")
    outcomes = convert(model, ["tflite:float32", "onnx:float32"], out=tmp_path, samples=4)
    for outcome in outcomes:
        if outcome.status == "unsupported":
            assert "MatrixDeterminant" in outcome.error
            assert "\n" not in outcome.error
            assert len(outcome.error) < 700
            assert outcome.hint
    assert outcomes[0].status == "unsupported"
    assert not list(tmp_path.glob("*.tflite"))


def test_static_targets_without_calibration_data_fail_and_the_rest_go_on(
    work: Path, tmp_path: Path
):
    outcomes = convert(
        work, ["tflite:static_int8", "onnx:static_int8", "tflite:float32"], out=tmp_path, samples=4
    )
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "converted"]
    assert outcomes[0].error == "tflite:static_int8 needs calibration data"
    assert "--calibration" in outcomes[0].hint


def test_a_recipe_that_yields_nan_fails(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As a float16 file does whose weights overflow, on hardware that computes in float16."""
    import onnx

    quantize = float_files.onnx_quantizer.quantize_onnx

    def overflowing(float_path: Path, recipe: Recipe, path: Path, samples: object) -> None:
        quantize(float_path, recipe, path, samples)
        model = onnx.load(str(path))
        weight = next(item for item in model.graph.initializer if len(item.dims) == 4)
        weight.raw_data = np.full(tuple(weight.dims), np.nan, np.float16).tobytes()
        onnx.save(model, str(path))

    monkeypatch.setattr(float_files.onnx_quantizer, "quantize_onnx", overflowing)
    outcomes = convert(work, ["onnx:float32", "onnx:float16"], out=tmp_path / "out", samples=4)
    assert [outcome.status for outcome in outcomes] == ["converted", "failed"]
    assert "NaN or infinite in 4 of 4 samples" in outcomes[1].error
    assert "float16 overflows" in outcomes[1].hint
    assert not (tmp_path / "out" / "plain_float16.onnx").exists()


# Models that cannot be converted: one line before any converter runs


def refused(model: object, tmp_path: Path, match: str) -> InputError:
    with pytest.raises(InputError, match=match) as caught:
        convert(model, "all", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    return caught.value


def test_data_for_a_model_with_two_inputs_are_refused_with_both_named(
    tmp_path: Path, digits: Dataset
):
    import keras
    from keras.layers import Concatenate

    left, right = keras.Input((4,), name="left"), keras.Input((5,), name="right")
    model = keras.Model([left, right], Concatenate()([left, right]), name="pair")
    with pytest.raises(InputError, match=re.escape("left (?, 4), right (?, 5)")) as caught:
        convert(model, "all", calibration=digits, out=tmp_path / "out")
    assert "npz:FILE with one named array per input" in caught.value.hint


def test_open_dimensions_are_named_with_the_option(tmp_path: Path):
    error = refused(small_model((None, None, 3)), tmp_path, "every dimension but the batch")
    assert "--shape picture=1x224x224x3" in error.hint


def test_an_open_dimension_takes_the_size_that_is_given(tmp_path: Path):
    (outcome,) = convert(
        small_model((None, None, 3)), "tflite:float32", out=tmp_path, samples=4, shape="1x8x6x3"
    )
    assert outcome.error is None
    (spec,) = outcome.artifact.manifest.inputs
    assert (spec.name, spec.shape) == ("picture", (1, 8, 6, 3))


def test_an_input_of_text_is_named(tmp_path: Path):
    import keras

    tensor = keras.Input((4,), dtype="string", name="tokens")
    model = keras.Model(tensor, tensor, name="text")
    refused(model, tmp_path, "input 'tokens' is string")


def test_a_model_that_was_never_built_is_refused(tmp_path: Path):
    import keras
    from keras.layers import Dense

    error = refused(keras.Sequential([Dense(2)], name="vague"), tmp_path, "no fixed input")
    assert "keras.Input" in error.hint


def test_a_converted_file_is_a_model_like_any_other(plain: Converted, tmp_path: Path):
    path = plain.path("onnx:float32")
    (outcome,) = convert(path, "onnx:float16", out=tmp_path, samples=8)
    assert outcome.artifact.manifest.parent_sha256 == sha256_of(path)
    assert outcome.artifact.path.name == "plain_float16.onnx"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not an archive"])
def test_a_damaged_keras_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "broken.keras"
    path.write_bytes(content)
    refused(path, tmp_path, "broken.keras")


def test_calibration_data_of_another_shape_names_both(work: Path, tmp_path: Path):
    class Sound:
        """Data of another kind: the preprocessing yields one axis."""

        shape, layout = (100,), "NC"

        def __call__(self, sample: np.ndarray) -> np.ndarray:
            return sample.astype(np.float32)

    split = Split(np.zeros((8, 100), np.uint8), np.zeros(8, np.int64))
    data = Dataset("sound", "classification", ("a",), {"train": split}, "feed", (100,))
    wanted = {"calibration": data, "preprocessing": Sound()}
    with pytest.raises(InputError, match=r"\(100,\).*\(16, 16, 1\)"):
        convert(work, "tflite:static_int8", out=tmp_path / "out", **wanted)
    assert not (tmp_path / "out").exists()


# Verification afterwards


def test_an_artifact_that_lost_too_much_fails_the_gate(plain: Converted, digits: Dataset):
    found = verify_artifact(
        plain.path("tflite:static_int8"), parent=plain.parent, dataset=digits, max_drop=-90
    )
    assert not found.passed
    assert "exceeds the limit of -90" in found.gate.reason
    assert found.layers[0].share > 0


def test_without_data_there_is_parity_on_noise_and_no_gate(plain: Converted):
    found = verify_artifact(plain.path("onnx:float32"))
    assert found.parity.snr_db > 90
    assert (found.accuracy, found.gate, found.passed) == (None, None, True)


def test_another_model_is_not_taken_for_the_parent(plain: Converted, tmp_path: Path):
    stranger = tmp_path / "stranger.keras"
    small_model().save(stranger)
    with pytest.raises(InputError, match="not the parent"):
        verify_artifact(plain.path("onnx:float32"), parent=stranger)


def test_a_parent_that_is_nowhere_is_asked_for(plain: Converted, tmp_path: Path):
    alone = tmp_path / "far" / "away" / "m.onnx"
    alone.parent.mkdir(parents=True)
    shutil.copy(plain.path("onnx:float32"), alone)
    with pytest.raises(InputError, match="is not next to it") as caught:
        verify_artifact(alone)
    assert "--parent" in caught.value.hint


def test_one_artifact_asked_for_and_not_had_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="needs calibration data"):
        convert_one(small_model(), "onnx:static_int8", out=tmp_path)
