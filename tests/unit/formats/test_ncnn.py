"""ncnn's two files: what they say, what they store, and that they are one model."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.formats import ncnn
from edgecnn.formats.check import check_model_path, digest_of
from edgecnn.formats.wire.ncnn import FLOAT16_MARK, INT8_MARK, NcnnLayer, parse, stored

LAYERS = (
    "Input in 0 1 image 0=6 1=5 2=3",
    "Convolution conv 1 1 image a 0=4 1=3 5=1 6=108",
    "InnerProduct dense 1 1 a scores 0=2 1=1 2=96 -23330=4,1,2,1,1",
)
RNG = np.random.default_rng(0)


def write(folder: Path, layers=LAYERS, pieces: bytes | None = None) -> Path:
    path = folder / "net.param"
    names = {word for line in layers for word in blobs(line)}
    path.write_text("\n".join(["7767517", f"{len(layers)} {len(names)}", *layers]) + "\n")
    (folder / "net.bin").write_bytes(weights() if pieces is None else pieces)
    return path


def blobs(line: str) -> list[str]:
    words = line.split()
    return words[4 : 4 + int(words[2]) + int(words[3])]


def floats(count: int, mark: int | None = 0) -> bytes:
    head = b"" if mark is None else struct.pack("<I", mark)
    return head + RNG.normal(size=count).astype("<f4").tobytes()


def halves(count: int) -> bytes:
    values = RNG.normal(size=count).astype("<f2").tobytes()
    return struct.pack("<I", FLOAT16_MARK) + values + bytes(-len(values) % 4)


def integers(count: int) -> bytes:
    values = RNG.integers(-127, 127, count, np.int8).tobytes()
    return struct.pack("<I", INT8_MARK) + values + bytes(-len(values) % 4)


def weights() -> bytes:
    return floats(108) + floats(4, None) + floats(96) + floats(2, None)


def test_a_layer_is_written_as_it_was_read():
    for line in LAYERS:
        (layer,) = (
            parse(f"7767517\n1 1\n{line}\n")
            if line == LAYERS[0]
            else parse(f"7767517\n2 2\nInput x 0 1 {blobs(line)[0]}\n{line}\n")[1:]
        )
        assert layer.line().split() == line.split()


def test_the_signature_is_read_without_ncnn(tmp_path: Path):
    network = ncnn.signature_of(ncnn.read(write(tmp_path)))
    (given,), (answered,) = network.inputs, network.outputs
    assert (given.name, given.shape, given.dtype) == ("image", (1, 3, 5, 6), "float32")
    assert (answered.name, answered.shape) == ("scores", (1, 2))


def test_both_files_are_one_artifact(tmp_path: Path):
    path = write(tmp_path)
    artifact = load_artifact(path)
    sizes = [(tmp_path / name).stat().st_size for name in ("net.param", "net.bin")]
    assert artifact.format == "ncnn"
    assert artifact.size_bytes == sum(sizes)
    (tmp_path / "net.bin").write_bytes(weights())  # other values
    assert digest_of(path)[0] != artifact.sha256


def test_weights_that_are_missing_are_named(tmp_path: Path):
    path = write(tmp_path)
    (tmp_path / "net.bin").unlink()
    with pytest.raises(InputError, match=r"keeps its weights in net\.bin, which does not exist"):
        check_model_path(path)


def test_weights_that_break_off_are_named_by_layer(tmp_path: Path):
    path = write(tmp_path, pieces=weights()[:-12])
    with pytest.raises(InputError, match="the weights of layer 'dense' end at byte"):
        check_model_path(path)


@pytest.mark.parametrize(
    ("layers", "pieces", "recipe"),
    [
        (LAYERS, weights(), "float32"),
        (LAYERS, halves(108) + floats(4, None) + halves(96) + floats(2, None), "float16"),
        (
            (LAYERS[0], LAYERS[1] + " 8=2", LAYERS[2] + " 8=2"),
            integers(108) + floats(4 + 4 + 1, None) + integers(96) + floats(2 + 2 + 1, None),
            "static_int8",
        ),
        (
            (LAYERS[0], "Embed table 1 1 image a 0=4 1=27 3=108 18=2", LAYERS[2]),
            integers(108) + floats(1, None) + floats(96) + floats(2, None),
            "int8_weights",
        ),
    ],
    ids=["float32", "float16", "static_int8", "int8_weights"],
)
def test_the_recipe_is_what_the_weights_say(tmp_path: Path, layers, pieces, recipe):
    assert ncnn.NCNN.recipe(write(tmp_path, layers, pieces)) == recipe


def test_float16_under_the_name_of_float32_is_told(tmp_path: Path):
    path = write(tmp_path, pieces=halves(108) + floats(4, None) + halves(96) + floats(2, None))
    named = path.rename(tmp_path / "net_float32.param")
    (tmp_path / "net.bin").rename(tmp_path / "net_float32.bin")
    assert load_artifact(named).manifest.recipe == "float16"


def test_every_part_of_every_known_layer_is_counted(tmp_path: Path):
    layers = (
        "Input in 0 1 x 0=4 1=4 2=2",
        "BatchNorm norm 1 1 x a 0=2",
        "ConvolutionDepthWise deep 1 1 a b 0=2 1=3 5=0 6=18 7=2 8=101",
        "Gemm product 1 1 b c 4=0 5=1 6=1 7=0 8=3 9=4 10=4",
        "LSTM memory 1 1 c d 0=3 1=48 2=0",
        "MemoryData held 0 1 e 0=5",
        "Scale scale 1 1 d f 0=3 1=1",
        "LayerNorm layer 1 1 f g 0=3",
    )
    pieces = [
        floats(8, None), integers(18), floats(2 + 1 + 1, None), floats(12), floats(3),
        floats(48), floats(12), floats(36), floats(5, None), floats(6, None), floats(6, None),
    ]  # fmt: skip
    path = write(tmp_path, layers, b"".join(pieces))
    found = list(stored(ncnn.read(path).layers, tmp_path / "net.bin"))
    assert found[-1].offset + found[-1].size == sum(map(len, pieces))


def test_words_are_looked_up_below_the_table(tmp_path: Path):
    layers = (
        "Input in 0 1 ids 0=7",
        "Split fork 1 2 ids a b",
        "Embed small 1 1 a c 0=4 1=9 3=36",
        "Embed large 1 1 b d 0=4 1=90 3=360",
    )
    path = write(tmp_path, layers, floats(36) + floats(360))
    assert ncnn.NCNN.id_limits(path) == (9,)
    assert ncnn.NCNN.signature(path).inputs[0].dtype == "int32"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("7767517\n", "line 2"),
        ("7767517\n3 2\nInput in 0 1 x\n", "announces 3 layers and has 1"),
        ("7767517\n1 1\nInput in 0 9 x\n", "names fewer blobs"),
        ("7767517\n2 2\nInput in 0 1 x\nReLU r 1 1 z y\n", "takes 'z', which no layer gives"),
        ("7767517\n2 2\nInput in 0 1 x\nReLU r 1 1 x y 0=1.5.5 k\n", "is not a parameter"),
        ("7767517\n1 1\nNoop in 0 1 x\n", "no input"),
        ("7767517\n2 2\nInput in 0 1 x\nConvolution c 1 1 x y 6=-5\n", "-5 weights"),
        ("7767517\n1 99999999999\nInput in 0 1 x 0=one\n", "one"),
    ],
)
def test_a_damaged_text_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str):
    path = tmp_path / "net.param"
    path.write_text(text)
    (tmp_path / "net.bin").write_bytes(b"")
    with pytest.raises(InputError, match=reason):
        check_model_path(path)


def test_hints_are_read_as_they_are_written():
    parameters = ncnn.output_hint([(1, 8, 9, 2), (1, 7)])
    layer = NcnnLayer("Slice", "s", ("x",), ("a", "b"), parameters)
    network = ncnn.Network((NcnnLayer("Input", "in", (), ("x",)), layer))
    assert [blob.shape for blob in ncnn.signature_of(network).outputs] == [(1, 8, 9, 2), (1, 7)]
