"""edgecnn models, as users meet it."""

from __future__ import annotations

import json

import pytest

from tests.command_line import edgecnn, here


def test_a_network_is_shown_layer_by_layer_and_drawn(tmp_path):
    done = edgecnn("models", "resnet8", "--classes", 43, "--out", "net.svg", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "stem_conv" in done.stdout
    assert "12.5 M MACs" in done.stdout
    assert "43" in (tmp_path / "net.svg").read_text()


def test_json_holds_the_layers(tmp_path):
    done = here("models", "lenet5", "--input-shape", "64x64x1", "--json", cwd=tmp_path)

    told = json.loads(done.stdout)
    assert told["input_shape"] == [64, 64, 1]
    assert told["receptive_field"] == 32
    assert told["layers"][1]["name"] == "c1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet6"], ["unknown model 'lenet6'", "did you mean 'lenet5'?"]),
        (["lenet5", "--input-shape", "8x8x1"], ["from 32×32", "received: 8×8"]),
        (["lenet5", "--input-shape", "big"], ["32x32x3"]),
        (["lenet5", "--classes", "0"], ["classes, received: 0"]),
        (["lenet5", "--out", "net.gif"], [".svg, .png, .html"]),
        (["--classes", "3"], ["NAME"]),
    ],
    ids=" ".join,
)
def test_a_mistake_gets_a_clear_line_and_exit_code_2(tmp_path, arguments, words):
    done = here("models", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.slow  # builds every one of them
def test_the_list_names_every_network():
    done = here("models", "--json")

    told = {row["name"]: row for row in json.loads(done.stdout)}
    assert told["alexnet"]["parameters"] == 62_378_344
    assert {"textcnn", "cnn1d", "voxnet", "stop_sign_small"} < told.keys()
    assert told["textcnn"]["modality"] == "text"
