"""`edgecnn translate`: what it prints, and what it refuses."""

from __future__ import annotations

import io
import sys
import zipfile

import pytest

from edgecnn.cli import invoke
from edgecnn.data.subword_vocabulary import train_vocabulary
from edgecnn.embedded_manifest import load_artifact
from edgecnn.translation import load_translator
from tests.integration.sequences.small_translator import SENTENCE, TEXT

pytestmark = pytest.mark.slow


def test_a_foreign_vocabulary_is_refused_by_its_digest(small, files, tmp_path, capsys):
    other = tmp_path / "other.model"
    other.write_bytes(train_vocabulary(["some other words", "and others"] * 20, 300))
    for model in (small.path, files["tflite:float32"]):
        code = invoke(["translate", str(model), SENTENCE, "--vocabulary", str(other)])
        said = capsys.readouterr()
        assert code == 2
        assert "is not the vocabulary" in said.err
        assert not said.out


def test_the_right_vocabulary_is_taken(small, answer, tmp_path, capsys):
    own = tmp_path / "own.model"
    own.write_bytes(load_artifact(small.path).manifest.preprocessing.content)

    assert invoke(["translate", str(small.path), SENTENCE, "--vocabulary", str(own)]) == 0
    assert capsys.readouterr().out == f"{answer}\n"


def test_a_damaged_file_is_refused(files, tmp_path, capsys):
    path = tmp_path / files["onnx:float32"].name
    content = bytearray(files["onnx:float32"].read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))

    assert invoke(["translate", str(path), SENTENCE]) == 2
    assert "not a complete" in capsys.readouterr().err


def test_a_graph_that_was_swapped_is_refused(files, tmp_path, capsys):
    path = tmp_path / "swapped.onnx-seq2seq"
    with zipfile.ZipFile(files["onnx:float32"]) as one, zipfile.ZipFile(path, "w") as other:
        for name in one.namelist():
            source = "encoder.onnx" if name == "step.onnx" else name
            other.writestr(name, one.read(source))

    assert invoke(["translate", str(path), SENTENCE]) == 2
    assert "step.onnx" in capsys.readouterr().err


def test_a_classifier_does_not_translate(tmp_path, capsys):
    from edgecnn import models

    path = tmp_path / "lenet5.keras"
    models.build("lenet5").save(path)
    assert invoke(["translate", str(path), SENTENCE]) == 2
    assert "does not answer with sentences" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \t\x00 ", "empty"),
        ("dog " * 10_000, "10,000 words"),
        ("A dog. " * 200_000, "1,400,000 characters"),
    ],
    ids=["empty", "blank", "10,000 words", "a book"],
)
def test_what_cannot_be_translated_is_told(files, text, said, capsys):
    assert invoke(["translate", str(files["tflite:float32"]), text]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err


def test_another_script_is_answered_with_a_warning(files, capsys):
    assert invoke(["translate", str(files["tflite:float32"]), "日本"]) == 0
    assert "spelled in bytes" in capsys.readouterr().err


def test_standard_input_line_by_line(files, monkeypatch, capsys):
    lines = f"{SENTENCE}\n\n{'dog ' * 999}\na dog\x07 runs here.\r\n\xff\n".encode("latin-1")
    lines = b"\xef\xbb\xbf" + lines  # some editors put a mark before the first line
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    code = invoke(["translate", str(files["onnx:float32"]), "--beam", "1"])

    told = capsys.readouterr()
    out = told.out.split("\n")
    assert code == 2
    greedy = load_translator(files["onnx:float32"], beam=1)
    assert out[0] == greedy.translate(SENTENCE).text
    assert out[1:3] == ["", ""]
    assert out[3] == greedy.translate("a dog runs here.").text
    assert len(out) == 6  # an answer for each line, and what follows the last
    assert "line 3: a sentence of 999 words" in told.err
    assert "line 5: not all of it is UTF-8" in told.err


def test_times_are_those_of_each_sentence(files, capsys):
    assert invoke(["translate", str(files["onnx:float32"]), TEXT, "--times"]) == 0
    assert capsys.readouterr().err.count(" ms: encoder") == 3

    found = load_translator(files["onnx:float32"]).translate(TEXT)
    assert found.spent.sentence_ns == sum(each.spent.sentence_ns for each in found.sentences)
    assert len(found.sentences) == 3
