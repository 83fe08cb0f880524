"""A model reads its weights from its own folder, and from nowhere else."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgecnn
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.formats.check import check_model_path, digest_of, model_files
from edgecnn.formats.external import ExternalRange, check_external
from edgecnn.manifest import Manifest, write_manifest
from tests.unit.formats.small_models import (
    adding,
    external_tensor,
    graph,
    identity,
    node,
    tensor,
    write_onnx,
    write_tflite,
)

WEIGHTS = np.arange(4, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with its weights, and a secret outside of it."""
    home = tmp_path / "model"
    home.mkdir()
    (home / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "secret").write_bytes(b"the secret holds more than sixteen bytes")
    (tmp_path / "model-too").mkdir()
    (tmp_path / "model-too" / "weights.bin").write_bytes(bytes(16))
    return home


@pytest.mark.parametrize(
    "location",
    [
        "/etc/passwd",
        "../secret",
        "./../secret",
        "nested/../../secret",
        "../model-too/weights.bin",
        "..",
        "/dev/zero",
        "/proc/self/environ",
        "C:\\secret",
        "\\\\server\\share",
        "..\\secret",
        "~/secret",
        "file:///etc/passwd",
        "weights.bin\0",
        ".",
        "",
        "*/_ORT_MEM_ADDR_/*",
    ],
)
def test_a_location_outside_of_the_folder_is_refused(folder: Path, location: str):
    path = adding(folder / "model.onnx", external_tensor(location))
    with pytest.raises(InputError):
        check_model_path(path)


@pytest.mark.parametrize("location", ["モデル\u3000一.bin", "my\u00a0model.bin", "~weights.bin"])
def test_an_odd_name_beside_the_model_is_no_way_out(folder: Path, location: str):
    (folder / location).write_bytes(WEIGHTS.tobytes())
    path = adding(folder / "model.onnx", external_tensor(location))
    assert model_files(path)[1:] == (folder / location,)


def test_weights_in_many_files_are_resolved_once_each(folder: Path, monkeypatch):
    count, asked, ranges = 40, [], []
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(WEIGHTS.tobytes())
        ranges.append(ExternalRange(f"w{number}", f"{number}.bin", 0, 16))
    real = Path.resolve

    def resolve(self: Path, strict: bool = False) -> Path:
        asked.append(self)
        return real(self, strict)

    monkeypatch.setattr(Path, "resolve", resolve)
    assert len(check_external(folder / "model.onnx", ranges)) == count
    assert count <= len(asked) < 8 * count


def test_the_refusal_names_the_location(folder: Path):
    path = adding(folder / "model.onnx", external_tensor("../secret"))
    with pytest.raises(InputError, match=r"'\.\./secret', outside its own folder"):
        check_model_path(path)


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "/dev/zero", "there/../../secret"])
def test_a_link_that_leaves_the_folder_is_refused(folder: Path, target: str):
    (folder / "there").mkdir()
    (folder / "linked.bin").symlink_to(target)
    path = adding(folder / "model.onnx", external_tensor("linked.bin"))
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(path)


def test_a_folder_that_is_a_link_out_is_refused(folder: Path):
    (folder / "data").symlink_to("../model-too")
    path = adding(folder / "model.onnx", external_tensor("data/weights.bin"))
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(path)


def test_a_ring_of_links_is_refused(folder: Path):
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    path = adding(folder / "model.onnx", external_tensor("a"))
    with pytest.raises(InputError):
        check_model_path(path)


def test_a_link_inside_of_the_folder_is_followed(folder: Path):
    (folder / "linked.bin").symlink_to("weights.bin")
    path = adding(folder / "model.onnx", external_tensor("linked.bin"))
    assert check_model_path(path) == path


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize("make", [_pipe, _socket, Path.mkdir])
def test_what_is_no_file_is_refused_and_never_waited_for(
    folder: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)  # a socket's path is short
    make(Path("odd"))
    path = adding(folder / "model.onnx", external_tensor("odd"))
    with pytest.raises(InputError, match="keeps its weights in odd, which is a"):
        check_model_path(path)


@pytest.mark.parametrize(
    ("offset", "length", "shape"),
    [
        (None, 17, (4,)),
        (1, 16, (4,)),
        (17, 0, (0,)),
        (None, None, (5,)),
        (0, 16, (1 << 40,)),
        (1 << 62, 1 << 62, (4,)),
        (-1, 4, (4,)),
        (0, -16, (4,)),
        ("0x10", None, (4,)),
        ("9" * 5_000, None, (4,)),
        ("\u0661", None, (4,)),
        (None, None, (-4,)),
    ],
)
def test_a_range_that_is_not_in_the_file_is_refused(
    folder: Path, offset: object, length: object, shape: tuple[int, ...]
):
    weights = external_tensor("weights.bin", offset=offset, length=length, shape=shape)
    path = adding(folder / "model.onnx", weights)
    with pytest.raises(InputError):
        check_model_path(path)


def test_ranges_that_overlap_are_refused(folder: Path):
    first = external_tensor("weights.bin", name="a", shape=(3,), offset=0)
    second = external_tensor("./weights.bin", name="b", shape=(3,), offset=4)
    nodes = [node("Identity", ["x"], ["y"])]
    path = write_onnx(folder / "model.onnx", nodes, initializers=[first, second])
    with pytest.raises(InputError, match="overlap"):
        check_model_path(path)


def test_tensors_may_share_one_range(folder: Path):
    shared = [external_tensor("weights.bin", name=name) for name in ("a", "b")]
    path = write_onnx(folder / "model.onnx", [node("Identity", ["x"], ["y"])], initializers=shared)
    assert check_model_path(path) == path


def _sparse(weights: object) -> object:
    from onnx import TensorProto, helper

    indices = helper.make_tensor("indices", TensorProto.INT64, [4], [0, 1, 2, 3])
    return helper.make_sparse_tensor(weights, indices, [8])


def _function(nodes: list[object]) -> object:
    from onnx import helper

    return helper.make_function("own", "F", [], ["inner"], nodes, [helper.make_opsetid("", 17)])


Build = Callable[[Path, object], Path]
PLACES: dict[str, Build] = {
    "an initializer": adding,
    "a Constant": lambda path, weights: write_onnx(
        path, [node("Constant", [], ["w"], value=weights), node("Add", ["x", "w"], ["y"])]
    ),
    "a branch": lambda path, weights: write_onnx(
        path,
        [
            node(
                "If",
                ["x"],
                ["y"],
                then_branch=graph([node("Identity", ["w"], ["inner"])], initializer=[weights]),
                else_branch=graph([]),
            )
        ],
    ),
    "a branch of a loop": lambda path, weights: write_onnx(
        path,
        [
            node(
                "Loop",
                ["n", "c"],
                ["y"],
                body=graph(
                    [
                        node(
                            "If",
                            ["x"],
                            ["inner"],
                            then_branch=graph([node("Constant", [], ["inner"], value=weights)]),
                            else_branch=graph([]),
                        )
                    ]
                ),
            )
        ],
    ),
    "a function": lambda path, weights: write_onnx(
        path,
        [node("F", [], ["y"], domain="own")],
        functions=[_function([node("Constant", [], ["inner"], value=weights)])],
    ),
    "a sparse initializer": lambda path, weights: write_onnx(
        path, [node("Identity", ["x"], ["y"])], sparse=[_sparse(weights)]
    ),
    "a list of tensors": lambda path, weights: write_onnx(
        path, [node("Odd", ["x"], ["y"], domain="own", all=[weights, weights])]
    ),
    "a sparse attribute": lambda path, weights: write_onnx(
        path, [node("Constant", [], ["y"], sparse_value=_sparse(weights))]
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_that_holds_a_tensor_is_looked_at(folder: Path, place: str):
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(PLACES[place](folder / "model.onnx", external_tensor("../secret")))
    path = PLACES[place](folder / "model.onnx", external_tensor("weights.bin"))
    assert model_files(path) == (path, folder / "weights.bin")


def test_a_location_counts_wherever_the_file_says_that_it_is_external(folder: Path):
    """A second copy of a field is merged into the first by readers of protocol buffers."""
    from onnx import TensorProto

    weights = external_tensor("../secret")
    weights.data_location = TensorProto.DEFAULT
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(adding(folder / "model.onnx", weights))


def test_a_compiled_program_in_another_file_counts_too(folder: Path):
    context = node(
        "EPContext",
        ["x"],
        ["y"],
        domain="com.microsoft",
        embed_mode=0,
        ep_cache_context="../secret",
    )
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(write_onnx(folder / "model.onnx", [context]))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_a_tflite_file_is_held_to_the_same(folder: Path, name: str):
    path = write_tflite(folder / "model.tflite", groups=[name], external=[(0, 0, 16)])
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(path)
    path = write_tflite(folder / "own.tflite", groups=["weights.bin"], external=[(0, 0, 16)])
    assert model_files(path) == (path, folder / "weights.bin")
    path = write_tflite(folder / "far.tflite", groups=["weights.bin"], external=[(0, 8, 16)])
    with pytest.raises(InputError, match="which has 16"):
        check_model_path(path)


def test_every_way_to_a_runtime_refuses(folder: Path):
    path = adding(folder / "model.onnx", external_tensor("../secret"))
    for configuration in ("onnxruntime:cpu", "openvino:cpu", "opencv:cpu"):
        with pytest.raises(InputError, match="outside its own folder"):
            edgecnn.load(path, runtime=configuration)
    with pytest.raises(InputError, match="outside its own folder"):
        load_artifact(path)


def test_weights_beside_the_model_are_read(folder: Path):
    path = adding(folder / "model.onnx", external_tensor("weights.bin"))
    session = edgecnn.load(path, runtime="onnxruntime:cpu")
    (found,) = session.run([np.zeros((1, 4), np.float32)])
    np.testing.assert_array_equal(found[0], WEIGHTS)


def test_a_missing_file_is_named_in_one_message(folder: Path):
    path = adding(folder / "model.onnx", external_tensor("lost.bin"))
    with pytest.raises(InputError, match=r"weights in lost\.bin, which does not exist") as caught:
        load_artifact(path)
    assert "copy lost.bin to" in caught.value.hint


def test_digest_and_size_cover_all_files(folder: Path):
    path = adding(folder / "model.onnx", external_tensor("weights.bin"))
    before = load_artifact(path)
    assert before.size_bytes == path.stat().st_size + 16
    (folder / "weights.bin").write_bytes(bytes(16))
    after = load_artifact(path)
    assert after.sha256 != before.sha256
    assert digest_of(path) == (after.sha256, after.size_bytes)


def test_the_digest_of_a_model_in_one_file_is_that_of_the_file(tmp_path: Path):
    import hashlib

    path = identity(tmp_path / "model.onnx")
    assert digest_of(path)[0] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_manifest_speaks_of_all_files(folder: Path):
    path = adding(folder / "model.onnx", external_tensor("weights.bin"))
    write_manifest(path, Manifest(model="added"))
    assert load_artifact(path).manifest.model == "added"
    (folder / "weights.bin").write_bytes(bytes(16))
    with pytest.raises(InputError, match="not the file its manifest describes"):
        load_artifact(path)


def test_a_link_to_a_model_finds_the_weights_beside_the_model(folder: Path, tmp_path: Path):
    path = adding(folder / "model.onnx", external_tensor("weights.bin"))
    (tmp_path / "latest.onnx").symlink_to(path)
    artifact = load_artifact(tmp_path / "latest.onnx")
    assert artifact.path == path
    session = edgecnn.load(tmp_path / "latest.onnx", runtime="onnxruntime:cpu")
    (found,) = session.run([np.zeros((1, 4), np.float32)])
    np.testing.assert_array_equal(found[0], WEIGHTS)


def test_beside_a_link_no_other_file_is_read(folder: Path, tmp_path: Path):
    """A reader that looks beside the link must not find what was checked beside the file."""
    path = adding(folder / "model.onnx", external_tensor("weights.bin"))
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "model.onnx").symlink_to(path)
    (linked / "weights.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(linked / "model.onnx")


def test_weights_that_hold_the_word_location_are_weights(folder: Path):
    weights = tensor(shape=(16,))
    weights.raw_data = b"a location that is none".ljust(64)
    path = adding(folder / "model.onnx", weights)
    assert model_files(path) == (path,)
