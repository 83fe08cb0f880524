"""Traps in what is given: a model that reads other files, that is none, that cannot be fed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.cli import invoke
from edgecnn.results import RuntimeOptions
from tests.unit.formats.small_models import adding, external_tensor, node, value, write_onnx

RUNTIMES = "onnxruntime:cpu,openvino:cpu,opencv:cpu"


def benchmark(path: Path, out: Path, runtimes: str = RUNTIMES) -> int:
    short = ["--quick", "--max-secs", "0.2", "--processes", "1"]
    return invoke(["benchmark", str(path), "--runtimes", runtimes, *short, "--out", str(out)])


@pytest.mark.parametrize("link", [False, True])
def test_a_file_of_the_machine_never_becomes_the_output_of_a_network(
    tmp_path: Path, link: bool, capsys: pytest.CaptureFixture[str]
):
    """Weights that are another file's bytes: measured, the network would answer that file."""
    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    home = tmp_path / "model"
    home.mkdir()
    if link:
        (home / "weights.bin").symlink_to("../secret")
    path = adding(home / "m.onnx", external_tensor("weights.bin" if link else "../secret"))
    assert benchmark(path, tmp_path / "r.json") == 2
    assert "outside its own folder" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def test_results_of_other_weights_are_not_taken_for_these(tmp_path: Path):
    """The same command after a change of the weights measures again, under another digest."""
    (tmp_path / "weights.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    path = adding(tmp_path / "m.onnx", external_tensor("weights.bin"))
    digests = []
    for weights in (np.zeros(4), np.ones(4)):
        (tmp_path / "weights.bin").write_bytes(weights.astype(np.float32).tobytes())
        assert benchmark(path, tmp_path / "r.json", "onnxruntime:cpu") == 0
        rows = json.loads((tmp_path / "r.json").read_text())["measurements"]
        digests.append(rows[-1]["artifact"]["sha256"])
        assert rows[-1]["artifact"]["size_bytes"] == path.stat().st_size + 16
    assert digests[0] != digests[1]


def test_ids_stay_below_the_table_they_are_looked_up_in(tmp_path: Path):
    """A table of 3: one runtime would crash on id 99, another read what lies behind it."""
    from onnx import TensorProto, numpy_helper

    path = write_onnx(
        tmp_path / "ids.onnx",
        [node("Gather", ["table", "ids"], ["y"])],
        initializers=[numpy_helper.from_array(np.ones((3, 2), np.float32), "table")],
        inputs=[value("ids", (1, 64), TensorProto.INT64)],
        outputs=[value("y", (1, 64, 2))],
    )
    assert benchmark(path, tmp_path / "r.json", "onnxruntime:cpu,openvino:cpu") == 0
    rows = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert [row["status"] for row in rows] == ["ok", "ok"]


def test_an_open_size_is_asked_for_and_kept_in_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write_onnx(
        tmp_path / "open.onnx",
        [node("GlobalAveragePool", ["x"], ["y"])],
        inputs=[value("x", (1, 3, "height", "width"))],
        outputs=[value("y", (1, 3, 1, 1))],
    )
    assert benchmark(path, tmp_path / "r.json", "onnxruntime:cpu") == 2
    assert "--shape x=1x3x224x224" in capsys.readouterr().err
    arguments = ["benchmark", str(path), "--runtimes", "onnxruntime:cpu", "--quick"]
    arguments += ["--max-secs", "0.2", "--processes", "1", "--shape", "1x3x16x16"]
    assert invoke([*arguments, "--out", str(tmp_path / "s.json")]) == 0
    (row,) = json.loads((tmp_path / "s.json").read_text())["measurements"]
    assert row["options"]["shape"] == "1x3x16x16"


def relu(path: Path, shape: tuple[int | str, ...]) -> Path:
    return write_onnx(
        path, [node("Relu", ["x"], ["y"])], inputs=[value("x", shape)], outputs=[value("y", shape)]
    )


def test_the_samples_of_a_batch_that_the_file_fixes_are_counted(tmp_path: Path, measure):
    row = measure(relu(tmp_path / "m.onnx", (4, 8)), "onnxruntime:cpu", passes=())
    assert row.options.batch == 4
    assert row.throughput_per_s == pytest.approx(4e3 / row.latency.mean)
    assert "fixes the batch at 4: one inference answers 4 samples" in " ".join(row.reasons)


def test_a_model_without_a_batch_axis_is_one_sample_an_inference(tmp_path: Path, measure):
    row = measure(relu(tmp_path / "m.onnx", (32, 24, 3)), "onnxruntime:cpu", passes=())
    assert row.throughput_per_s == pytest.approx(1e3 / row.latency.mean)
    assert "one inference counts as one sample, x (32, 24, 3)" in " ".join(row.reasons)


def test_an_image_is_never_one_pixel_because_nobody_gave_its_size(
    tmp_path: Path, measure, capsys: pytest.CaptureFixture[str]
):
    path = relu(tmp_path / "m.onnx", ("n", 3, "h", "w"))
    assert benchmark(path, tmp_path / "r.json") == 2
    told = capsys.readouterr().err
    assert "input 'x' has shape (1, 3, h, w)" in told
    assert "--shape x=1x3x224x224" in told
    options = RuntimeOptions(shape="x=1x3x9x7")
    row = measure(path, "onnxruntime:cpu", options=options, passes=())
    assert row.status == "ok"
    assert "taken as 1" not in " ".join(row.reasons)


def test_ids_of_another_vocabulary_never_become_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Fluent nonsense: every id has a word in every vocabulary, only another one."""
    from edgecnn import models
    from edgecnn.data.subword_vocabulary import train_vocabulary
    from edgecnn.manifest import Manifest, write_manifest
    from edgecnn.preprocessing import SubwordPreprocessing

    sentences = [f"a dog runs {place}" for place in ("here", "there", "home", "away")] * 9
    own, other = (train_vocabulary(texts, 300) for texts in (sentences, [*sentences[::-1], "x y"]))
    words = SubwordPreprocessing.of(own, 12)
    path = tmp_path / "net.keras"
    models.build(
        "convs2s", input_shape=(12,), vocabulary_size=words.vocabulary_size, embedding=4,
        channels=4, encoder_layers=1, decoder_layers=1,
    ).save(path)  # fmt: skip
    write_manifest(path, Manifest(task="translation", model="convs2s", preprocessing=words))
    (tmp_path / "other.model").write_bytes(other)

    assert invoke(["translate", str(path), "a dog", "--vocabulary", f"{tmp_path}/other.model"]) == 2
    told = capsys.readouterr()
    assert "is not the vocabulary" in told.err
    assert not told.out
