"""A sequence model from Keras to the edge: converted, verified, measured, and asked."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

import edgecnn
from edgecnn.cli import invoke
from edgecnn.conversion.convert import convert
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.embedded_manifest import load_artifact, read_embedded
from edgecnn.errors import InputError
from edgecnn.manifest import sidecar_path
from edgecnn.runtimes.sequences import SequenceSession
from edgecnn.sequences.search import Decoding, unpadded
from edgecnn.translation import load_translator
from tests.integration.sequences.small_translator import FLOATS, INTEGERS, SENTENCE

pytestmark = pytest.mark.slow

OTHERS = ("tflite:float16", "onnx:float16", "tflite:dynamic_int8", "onnx:dynamic_int8")


def ids_of(small):
    words = small.dataset.preprocessing((24,))
    split = small.dataset["test"]
    return [words(sample)[None] for sample in split.samples]


def answers(path, small, runtime, beam):
    """In float32: OpenVINO and others compute in bfloat16 where the processor can."""
    session = edgecnn.load(path, runtime=runtime, beam=beam, precision="strict_float32")
    assert isinstance(session, SequenceSession)
    return [unpadded(session.run([ids])[0][0]) for ids in ids_of(small)]


@pytest.mark.parametrize("beam", [1, 4])
def test_every_float_runtime_gives_the_same_tokens(small, files, beam):
    parent = answers(small.path, small, "keras:cpu", beam)

    assert parent != [[]] * len(parent)
    for target, runtime in (
        ("tflite:float32", "litert:cpu"),
        ("onnx:float32", "onnxruntime:cpu"),
        ("onnx:float32", "openvino:cpu"),
    ):
        assert answers(files[target], small, runtime, beam) == parent, (target, runtime)


def test_the_network_has_learned_and_translates(files, answer):
    translator = load_translator(files["tflite:float32"])

    found = translator.translate(SENTENCE)
    assert found.text == answer
    assert found.attention.shape == (len(found.pieces), len(found.source_pieces))
    np.testing.assert_allclose(found.attention.sum(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("target", [*FLOATS, *INTEGERS])
def test_a_file_passes_the_gate_or_says_by_how_much_it_misses(small, files, target):
    found = verify_artifact(files[target], parent=small.path, dataset=small.dataset, max_drop=60)

    assert found.accuracy.metric == "BLEU"
    assert found.parent_accuracy.value > 0.5
    assert found.gate is not None
    if target in FLOATS:
        assert found.passed
        assert found.parity.same_ids > 0.99


@pytest.mark.parametrize("target", [*FLOATS, "tflite:static_int8"])
def test_a_step_of_many_rows_answers_as_steps_of_one(small, files, target):
    runtime = "litert:cpu" if target.startswith("tflite") else "onnxruntime:cpu"
    wide = edgecnn.load(files[target], runtime, beam=4)
    narrow = edgecnn.load(files[target], runtime, beam=1)

    assert wide.effective.details["rows_a_step"] == 4
    assert narrow.effective.details["rows_a_step"] == 1
    for ids in ids_of(small):
        together, alone = wide.answer(ids), narrow.answer(ids, Decoding(4))
        assert together.best.ids == alone.best.ids
        assert len(together.spent.step_ns) < len(alone.spent.step_ns)


def test_every_other_recipe_answers_as_the_parent_does(small, tmp_path):
    for outcome in convert(small.path, OTHERS, calibration=small.dataset, out=tmp_path):
        assert outcome.artifact is not None, outcome.error
        found = verify_artifact(outcome.artifact.path, parent=small.path, dataset=small.dataset)
        assert found.parity.same_ids > 0.9, outcome.target


def test_without_data_the_answers_themselves_are_compared(small, files):
    found = verify_artifact(files["onnx:float32"], parent=small.path)

    assert found.passed
    assert found.accuracy is None
    assert found.parity.same_ids > 0.9


def test_another_parent_is_refused(small, files, tmp_path):
    other = tmp_path / "other.keras"
    shutil.copy(small.path, other)
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("note.txt", "another file")

    with pytest.raises(InputError, match="not the parent"):
        verify_artifact(files["onnx:float32"], parent=other, dataset=small.dataset)


def test_parity_is_that_of_scores_on_real_states(files):
    for target in FLOATS[:2]:
        recorded = load_artifact(files[target]).manifest.conversion
        assert recorded["parity"]["snr_db"] > 60
        assert recorded["parity"]["top1_agreement"] == 1.0
        assert recorded["parity"]["n"] > 32  # steps, not sentences
        assert recorded["encoder_parity"]["snr_db"] > 60


def test_a_second_run_keeps_what_is_there(small, files):
    path = files["tflite:float32"]
    before = path.stat().st_mtime_ns
    (outcome,) = convert(small.path, "tflite:float32", calibration=small.dataset, out=path.parent)

    assert outcome.status == "reused"
    assert path.stat().st_mtime_ns == before


def test_ranges_are_found_as_the_recipe_says(small, tmp_path):
    """The scales of the encoder are others than those of the smallest and largest values."""
    scales = []
    for outcome in convert(
        small.path,
        ("onnx:static_int8", "onnx:static_int8_percentile", "onnx:static_int8_mse"),
        calibration=small.dataset,
        out=tmp_path,
        samples=6,
    ):
        assert outcome.artifact is not None, outcome.error
        scales.append(scales_of(outcome.artifact.path))
    assert scales[0].keys() == scales[1].keys() == scales[2].keys()
    assert scales[1] != scales[0] != scales[2]


def scales_of(path):
    """Of the activations of an encoder, by name."""
    onnx = pytest.importorskip("onnx")
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.startswith("encoder")]
        graph = onnx.load_from_string(archive.read(name)).graph
    quantized = {node.input[1] for node in graph.node if node.op_type == "QuantizeLinear"}
    return {
        tensor.name: onnx.numpy_helper.to_array(tensor).tolist()
        for tensor in graph.initializer
        if tensor.name in quantized
    }


def test_static_int8_needs_sentences(small, tmp_path):
    (outcome,) = convert(small.path, "onnx:static_int8", out=tmp_path)

    assert outcome.status == "failed"
    assert "calibration data" in outcome.error


def test_the_file_alone_translates(files, answer, tmp_path):
    """Manifest and vocabulary travel inside: nothing beside the file is needed."""
    alone = tmp_path / files["onnx:float32"].name
    shutil.copy(files["onnx:float32"], alone)

    assert not sidecar_path(alone).exists()
    assert read_embedded(alone).task == "translation"
    assert load_translator(alone).translate(SENTENCE).text == answer


def test_a_step_costs_the_same_however_long_the_answer(files):
    session = edgecnn.load(files["tflite:float32"], beam=1)

    taken = {spec.name: spec.shape for spec in session._step.inputs}
    assert all(isinstance(size, int) for shape in taken.values() for size in shape)


def test_loading_builds_each_graph_once(files, monkeypatch):
    """What executes is proven by loading again: after measuring, not before."""
    import onnxruntime

    made = []
    build = onnxruntime.InferenceSession

    def counted(*given, **more):
        made.append(given)
        return build(*given, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    session = edgecnn.load(files["onnx:float32"], "onnxruntime:cpu", beam=1)
    session.run([np.zeros((1, 24), np.int32)])
    assert len(made) == 2
    assert session.effective.details["encoder"]["provider"] == "CPUExecutionProvider"
    assert len(made) == 4


def test_beam_and_greedy_are_asked_for(files):
    session = edgecnn.load(files["onnx:float32"], "onnxruntime:cpu")
    ids = np.zeros((1, 24), np.int32)
    ids[0, :4] = (5, 6, 7, 3)

    wide = session.answer(ids)
    narrow = session.answer(ids, Decoding(1))
    assert session.decoding.beam == 5
    assert len(wide.alternatives) >= 1
    assert narrow.alternatives == ()
    assert len(narrow.spent.step_ns) == narrow.spent.ids


@pytest.mark.parametrize(
    ("target", "runtime"), [("tflite:static_int8", "litert"), ("onnx:float32", "onnxruntime")]
)
def test_a_batch_is_answered_row_by_row(small, files, target, runtime):
    """Nothing of one sample is left in the session when the next one comes."""
    ids = np.concatenate(ids_of(small)[:3])
    together = edgecnn.load(files[target], f"{runtime}:cpu", batch=3).run([ids])[0]

    for row in range(3):
        session = edgecnn.load(files[target], f"{runtime}:cpu")
        np.testing.assert_array_equal(session.run([ids[row : row + 1]])[0][0], together[row])


def test_benchmark_gives_bleu_latency_and_its_parts(small, files, tmp_path):
    out = tmp_path / "results.json"
    code = invoke([
        "benchmark", str(small.path), str(files["onnx:float32"]),
        "--runtimes", "keras:cpu,onnxruntime:cpu", "--data", small.data, "--quick",
        "--processes", "1", "--max-secs", "1", "--out", str(out),
    ])  # fmt: skip

    assert code == 0
    rows = {row["artifact"]["format"]: row for row in json.loads(out.read_text())["measurements"]}
    assert set(rows) == {"keras", "onnx-seq2seq"}
    parent, child = rows["keras"]["accuracy"], rows["onnx-seq2seq"]["accuracy"]
    assert child["metric"] == "BLEU"
    assert child["value"] == parent["value"] > 0.5
    assert child["drop_ci95"] == [0.0, 0.0]
    assert "tok:13a" in child["further"]["signature"]
    assert rows["onnx-seq2seq"]["parity"]["same_ids"] == 1.0
    for row in rows.values():
        assert row["status"] == "ok"
        assert row["latency_ms"]["p50"] > 0
        found = row["runs"][0]["passes"]["sequence"]
        assert found["encoder_ms"]["p50"] > 0 < found["step_ms"]["p50"]
        assert found["ids_per_s"] > 0
        assert found["beam"] == 5


def test_training_through_the_one_trainer_resumes_after_a_kill(tmp_path):
    from edgecnn.training import callbacks, train
    from tests.integration.sequences.small_translator import SIZES, write_pairs

    write_pairs(tmp_path / "pairs.tsv")
    dataset = edgecnn.data.load(f"pairs:{tmp_path / 'pairs.tsv'}?vocabulary=330")

    class Killed(Exception):  # noqa: N818
        pass

    def kill(stage, done, total, message=""):
        if done >= 4:
            raise Killed

    def short(name, **more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
            return train(
                "convs2s", dataset, out=tmp_path / f"{name}.keras", epochs=2, batch_size=24,
                folder=tmp_path / name, network_options={**SIZES, "dropout": 0.2}, **more,
            )  # fmt: skip

    whole = short("whole")
    with pytest.raises(Killed):
        short("cut", progress=kill)
    cut = short("cut")

    from edgecnn.keras_files import load_keras

    for one, other in zip(
        load_keras(whole.path).get_weights(), load_keras(cut.path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert whole.manifest.task == "translation"
    assert {"test_bleu", "test_chrf", "validation_bleu"} <= set(whole.manifest.metrics)
    samples = (tmp_path / "cut" / "samples.csv").read_text(encoding="utf-8").splitlines()
    assert len(samples) == 1 + 2 * 3
    assert (tmp_path / "whole" / "attention.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "whole" / "learning_curve.png").exists()


def test_networks_and_data_that_do_not_fit_are_refused(small, tmp_path):
    from edgecnn.training import train

    with pytest.raises(InputError, match="answers with a class"):
        train("textcnn", small.dataset, out=tmp_path / "a.keras")
    with pytest.raises(InputError, match="answers with sentences"):
        train("convs2s", edgecnn.data.load("digits"), out=tmp_path / "b.keras")
