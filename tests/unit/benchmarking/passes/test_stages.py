"""Stages from an encoded image to a class, over a session that adds pixels up."""

from __future__ import annotations

import importlib.util
from math import inf
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edgecnn.benchmarking.loop.encoded_samples import EncodedSamples, write_raw
from edgecnn.benchmarking.passes import make, stages
from edgecnn.data.base import Split
from edgecnn.data.files.images import ImageFiles
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.results import (
    ArtifactRecord,
    Effective,
    Measurement,
    Run,
    RuntimeOptions,
)
from edgecnn.runtimes.base import Session
from edgecnn.runtimes.tensors import to_model

PREPROCESSING = ImagePreprocessing(6, 6, 3)


class Adder(Session):
    """Two "scores" of an image. `copies`: binding keeps a copy, as some runtimes do."""

    inputs = (TensorSpec("input", (1, 6, 6, 3), "uint8", "NHWC", 1 / 255, 0),)
    outputs = (TensorSpec("output", (1, 2), "float32", "NC"),)
    effective = Effective("none", "float32", "none")

    def __init__(self, *, copies: bool = False) -> None:
        self.copies = copies
        self.seen: list[int] = []

    def bind(self, tensors):
        (tensor,) = tensors
        bound = tensor.copy() if self.copies else tensor

        def invoke():
            self.seen.append(int(bound.sum()))
            weighted = bound.astype(np.float32) * np.arange(6, dtype=np.float32)[:, None]
            return [np.stack([weighted[..., 0].sum((1, 2)), weighted[..., 1].sum((1, 2))], 1)]

        return invoke


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stages, "BUDGET_SECS", 0.0)


@pytest.fixture
def images(tmp_path: Path) -> EncodedSamples:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).save(path)
        paths.append(path)
    split = Split(ImageFiles(tuple(paths), 3), np.zeros(5, np.int64))
    return write_raw(split, PREPROCESSING, tmp_path / "raw")


def context(session: Session, raw: EncodedSamples | None) -> SimpleNamespace:
    return SimpleNamespace(session=session, raw=raw, options=RuntimeOptions(), deadline=inf)


def test_every_stage_is_timed_on_at_least_sixty_four_inferences(images: EncodedSamples):
    times = stages.find(context(Adder(), images))["times_ns"]
    assert set(times) == {"decode", "preprocess", "infer", "postprocess", "end_to_end"}
    assert {len(values) for values in times.values()} == {64}
    assert all(min(values) > 0 for values in times.values())


def test_end_to_end_is_the_sum_of_the_stages_of_each_sample(images: EncodedSamples):
    times = stages.find(context(Adder(), images))["times_ns"]
    parts = np.sum([times[name] for name in stages.STAGES], axis=0)
    assert times["end_to_end"] == parts.tolist()


def test_samples_that_were_never_encoded_have_no_decode_stage(images: EncodedSamples):
    found = stages.find(context(Adder(), EncodedSamples(images.arrays, (), images.preprocessing)))
    times = found["times_ns"]
    assert times["decode"] is None
    assert "not encoded files" in found["absent"]["decode"]
    parts = np.sum([times[name] for name in stages.STAGES[1:]], axis=0)
    assert times["end_to_end"] == parts.tolist()


def test_a_worker_without_a_decoder_says_so(images: EncodedSamples, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = stages.find(context(Adder(), images))
    assert found["times_ns"]["decode"] is None
    assert "Pillow is not installed" in found["absent"]["decode"]


@pytest.mark.parametrize("copies", [False, True])
def test_every_new_sample_reaches_the_model(images: EncodedSamples, copies: bool):
    session = Adder(copies=copies)
    found = stages.find(context(session, images))
    assert found["input"] == ("bound again each time" if copies else "bound once")
    expected = [
        int(to_model(PREPROCESSING(image)[None], session.inputs[0]).sum())
        for image in images.load()
    ] * 20
    timed = session.seen[3:]  # after three inferences that tell how the session binds
    assert timed == expected[: len(timed)]


def test_synthetic_inputs_have_no_stages():
    found = make("stages", context(Adder(), None))
    assert found == {
        "error": "stages are timed on real samples of a model with one input",
        "hint": "pass --data",
    }


def test_a_row_tells_percentiles_apart_from_its_latency(images: EncodedSamples):
    found = stages.find(context(Adder(), images))
    run = Run(1, 1, (1,), (5_000_000,) * 64, passes={"stages": found})
    row = Measurement(ArtifactRecord("m", "tflite", "", "", 0), "litert", "cpu", runs=(run,))
    told = row.to_dict()["stages_ms"]
    assert told["end_to_end"]["p50"] == pytest.approx(
        np.median(found["times_ns"]["end_to_end"]) / 1e6
    )
    assert told["decode"]["p90"] >= told["decode"]["p50"] > 0
    assert row.latency.p50 == 5.0
