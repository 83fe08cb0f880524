"""A manifest beside a model is anybody's: no change to one is more than a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.manifest import Manifest, TensorSpec, read_sidecar, sidecar_path
from edgecnn.preprocessing import (
    ImagePreprocessing,
    LetterboxPreprocessing,
    SignalPreprocessing,
    SpectrogramPreprocessing,
    TextPreprocessing,
    VolumePreprocessing,
    preprocessing_from_dict,
)
from edgecnn.records import FieldError
from tests.unit.hostile import changed_json, damaged, limited_memory

MEMORY = 96 << 20
KINDS = (
    (ImagePreprocessing(8, 8, 3, mean=(0.5,), std=(0.2,)), np.zeros((5, 6, 3), np.uint8)),
    (LetterboxPreprocessing(8, 8, 3), np.zeros((5, 6, 3), np.uint8)),
    (SignalPreprocessing(9), np.zeros(7, np.float32)),
    (SpectrogramPreprocessing(32), np.zeros(4000, np.float32)),
    (TextPreprocessing(5, ("a", "b")), "a b c"),
    (VolumePreprocessing(4, 4, 4), np.zeros((3, 3, 3), np.uint8)),
)
MANIFEST = Manifest(
    task="classification",
    model="lenet5",
    recipe="float32",
    inputs=(TensorSpec("x", (None, 8, 8, 3), "float32", "NHWC", 0.5, 3),),
    outputs=(TensorSpec("y", (None, 2), "float32"),),
    preprocessing=KINDS[0][0],
    labels=("a", "b"),
    metrics={"top1": 0.9},
    data={"name": "digits", "seed": 0},
)
DOCUMENT = {**json.loads(json.dumps(MANIFEST.to_dict())), "sha256": "ab"}
quickly = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(("made", "sample"), KINDS, ids=lambda value: getattr(value, "kind", ""))
def test_every_preprocessing_comes_back_and_works(made, sample):
    again = preprocessing_from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert again(sample).shape == made.shape


@quickly
@given(data=st.data())
def test_no_change_to_a_preprocessing_is_a_traceback(data: st.DataObject):
    made, sample = data.draw(st.sampled_from(KINDS))
    document = data.draw(changed_json(json.loads(json.dumps(made.to_dict()))))
    with limited_memory(MEMORY), np.errstate(all="ignore"):
        try:
            preprocessing_from_dict(document)(sample)
        except EdgeCNNError as error:
            assert "\n" not in error.message  # noqa: PT017


@quickly
@given(data=st.data())
def test_no_change_to_a_manifest_is_a_traceback(tmp_path: Path, data: st.DataObject):
    path = sidecar_path(tmp_path / "m.tflite")
    path.write_text(json.dumps(data.draw(changed_json(DOCUMENT))), encoding="utf-8")
    with limited_memory(MEMORY):
        try:
            found = read_sidecar(tmp_path / "m.tflite", "ab")
        except EdgeCNNError as error:
            assert "\n" not in error.message  # noqa: PT017
        else:
            assert found is not None
            json.dumps(found.to_dict())


@quickly
@given(data=st.data())
def test_no_damage_to_the_bytes_of_a_manifest_is_a_traceback(tmp_path: Path, data: st.DataObject):
    path = sidecar_path(tmp_path / "m.tflite")
    path.write_bytes(data.draw(damaged(json.dumps(DOCUMENT).encode())))
    with limited_memory(MEMORY):
        try:
            read_sidecar(tmp_path / "m.tflite", "ab")
        except EdgeCNNError as error:
            assert error.hint  # noqa: PT017


def test_a_field_of_another_type_is_named_by_its_path():
    with pytest.raises(InputError, match=r"inputs\[0\]\.shape\[1\]: expected a whole number"):
        Manifest.from_dict({**DOCUMENT, "inputs": [{"name": "x", "shape": [1, "a"], "dtype": "f"}]})
    with pytest.raises(FieldError, match=r"tensor\.dtype: is missing"):
        TensorSpec.from_dict({"name": "x", "shape": []})
    with pytest.raises(InputError, match="expected at most 268,435,456"):
        preprocessing_from_dict({"kind": "image", "height": 99_999, "width": 99_999, "channels": 3})


def test_a_metric_that_is_no_number_is_left_out():
    """Training that diverged wrote NaN into manifests."""
    found = Manifest.from_dict({**DOCUMENT, "metrics": {"loss": float("nan"), "top1": 0.5}})
    assert found.metrics == {"top1": 0.5}
