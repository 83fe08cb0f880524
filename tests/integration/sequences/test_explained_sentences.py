"""`edgecnn explain` of a translation: which words of the source each word read."""

from __future__ import annotations

import html
import json

import numpy as np
import pytest

from edgecnn.cli import invoke
from tests.integration.sequences.small_translator import SENTENCE, TEXT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ending", ["html", "png", "json"])
def test_explain_shows_what_was_read(files, answer, tmp_path, ending, capsys):
    out = tmp_path / f"answer.{ending}"
    path = str(files["onnx:float32"])
    assert invoke(["explain", path, "--text", SENTENCE, "--out", str(out)]) == 0

    told = capsys.readouterr().out
    assert answer in told
    assert "subwords of the source" in told
    content = out.read_bytes()
    if ending == "html":
        assert b"<svg" in content
        assert html.escape(answer) in content.decode()
    elif ending == "png":
        assert content.startswith(b"\x89PNG")
    else:
        document = json.loads(content)
        assert np.shape(document["attention"]) == (
            len(document["pieces"]),
            len(document["source_pieces"]),
        )
        field = document["receptive_field"]
        assert (field["encoder"], field["decoder"]) == (5, 5)  # two layers of three positions


@pytest.mark.parametrize("ending", ["html", "png", "json"])
def test_every_sentence_of_a_text_is_explained_with_its_own_source(files, tmp_path, ending, capsys):
    out = tmp_path / f"answer.{ending}"
    assert invoke(["explain", str(files["onnx:float32"]), "--text", TEXT, "--out", str(out)]) == 0

    content = out.read_bytes()
    if ending == "html":
        assert content.count(b'aria-label="Attention matrix"') == 3
        assert content.count(b"<h3>") == 3
    elif ending == "png":
        assert int.from_bytes(content[20:24]) > 2 * int.from_bytes(content[16:20])  # high
    else:
        document = json.loads(content)
        sentences = document["sentences"]
        assert [each["source"] for each in sentences] == [
            f"{part}." for part in TEXT[:-1].split(". ")
        ]
        assert document["attention"] is None
        for each in sentences:
            assert np.shape(each["attention"]) == (len(each["pieces"]), len(each["source_pieces"]))
        pieces = sum(len(each["source_pieces"]) - 1 for each in sentences)
        field = document["receptive_field"]
        about = round(field["encoder"] * len(TEXT.split()) / pieces)
        assert f"about {about} words" in field["words"]


@pytest.mark.parametrize(
    "given",
    [
        ("--layer", "c1"), ("--classes", "a"), ("--top", "3"), ("--data", "digits"),
        ("--shifts", "0..4"), ("--samples", "9"), ("--preprocessing", "raw"),
        ("--shape", "1x24"), ("--allow-unsafe",), ("--strict",),
    ],
    ids=lambda given: given[0],
)  # fmt: skip
def test_options_for_images_are_refused_with_a_text(files, tmp_path, capsys, given):
    out = tmp_path / "answer.html"
    path = str(files["onnx:float32"])
    assert invoke(["explain", path, "--text", SENTENCE, "--out", str(out), *given]) == 2
    assert f"{given[0]}: for images" in capsys.readouterr().err
    assert not out.exists()
