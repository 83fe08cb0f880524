"""What goes into a bundle, how it comes to its place, and a C header."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import InputError
from edgecnn.isolated_environments import ISOLATED_ENVIRONMENTS
from edgecnn.manifest import Manifest
from edgecnn.optimization.bundles import runner
from edgecnn.optimization.bundles.bundle import PACKAGES, packages_for, requirements
from edgecnn.optimization.bundles.c_array import adder, header
from edgecnn.optimization.bundles.delivery import check_place, deliver
from edgecnn.optimization.bundles.vendored import sources
from edgecnn.registry import FORMATS

ENTRIES = (
    "edgecnn.optimization.bundles.runner",
    "edgecnn.runtimes.litert",
    *(where.partition(":")[0] for where in FORMATS.builtin.values()),
)


@pytest.fixture(scope="module")
def taken() -> dict[str, str]:
    return dict(sources(ENTRIES, "shipped._edgecnn"))


def test_every_import_of_a_bundle_leads_into_it_or_to_a_library(taken: dict[str, str]):
    allowed = {*sys.stdlib_module_names, "numpy", "shipped"}
    for path, text in taken.items():
        top = [
            node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        for node in top:
            names = (
                [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
            assert {name.partition(".")[0] for name in names} <= allowed, path


def at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a source, but for what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from at_run_time(node)


def test_what_is_imported_is_there(taken: dict[str, str]):
    missing = []
    for text in taken.values():
        for node in at_run_time(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shipped."):
                parts = node.module.split(".")[2:]
                base = "/".join(parts)
                if parts and f"{base}.py" not in taken and f"{base}/__init__.py" not in taken:
                    missing.append(node.module)
    assert not missing


def test_a_bundle_stays_small(taken: dict[str, str]):
    assert sum(map(len, taken.values())) < 600_000


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("FULLY_CONNECTED", "AddFullyConnected"),
        ("RESIZE_NEAREST_NEIGHBOR", "AddResizeNearestNeighbor"),
        ("SOFTMAX", "AddSoftmax"),
        ("PADV2", "AddPadV2"),
        ("RELU6", "AddRelu6"),
        ("SELECT_V2", "AddSelectV2"),
        ("BATCH_MATMUL", "AddBatchMatMul"),
        ("CUMSUM", "AddCumSum"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
    ],
)
def test_operators_are_added_by_the_resolvers_own_methods(operator: str, method: str):
    assert adder(operator) == method


def test_a_header_holds_every_byte(tmp_path: Path):
    model = tmp_path / "8 bit net.tflite"
    model.write_bytes(bytes(range(256)) + b"\x00\xff")
    text = header(model, ["CONV_2D", "SOFTMAX"], 4096, "static_int8")
    body = text.split("{\n")[-1].split("}")[0]
    values = bytes(int(each, 16) for each in body.replace(",", " ").split())
    assert values == model.read_bytes()
    assert "MODEL_8_BIT_NET_ARENA_BYTES 4096" in text
    assert "resolver).AddConv2D(); (resolver).AddSoftmax();" in text


def bundle_in(folder: Path, content: str) -> Path:
    (folder / "net").mkdir(parents=True)
    (folder / "net" / runner.ABOUT).write_text(content)
    (folder / "README.md").write_text(content)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_bundle_takes_the_place_of_an_earlier_one(tmp_path: Path):
    new, out = bundle_in(tmp_path / "new", "new"), bundle_in(tmp_path / "there" / "out", "old")
    (out / "left over.txt").write_text("old")
    assert deliver(new, out) == out
    assert contents(out) == contents(new)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def full_disk(folder: Path, out: Path) -> None:
    """A copy that ends in its middle, as `shutil.copytree` tells of it."""
    (out / "net").mkdir(parents=True)
    reason = os.strerror(errno.ENOSPC)
    raise shutil.Error([(str(folder / "README.md"), str(out / "README.md"), reason)])


def interrupted(folder: Path, out: Path) -> None:
    (out / "net").mkdir(parents=True)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("copy", "error", "said"),
    [(full_disk, InputError, "No space left"), (interrupted, KeyboardInterrupt, None)],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_bundle_that_cannot_be_written_leaves_the_earlier_one(
    copy: Any,
    error: Any,
    said: str | None,
    exists: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    new, out = bundle_in(tmp_path / "new", "new"), tmp_path / "there" / "out"
    out.parent.mkdir()
    if exists:
        bundle_in(out, "old")
    monkeypatch.setattr(shutil, "copytree", copy)
    with pytest.raises(error, match=said):
        deliver(new, out)
    assert [path.name for path in out.parent.iterdir()] == (["out"] if exists else [])
    assert set(contents(out).values()) == ({"old"} if exists else set())


def test_a_bundle_that_cannot_be_renamed_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    new, out = bundle_in(tmp_path / "new", "new"), bundle_in(tmp_path / "there" / "out", "old")
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".unfinished"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="cannot write"):
        deliver(new, out)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert set(contents(out).values()) == {"old"}


def test_a_link_to_a_bundle_stays_a_link(tmp_path: Path):
    new, real = bundle_in(tmp_path / "new", "new"), bundle_in(tmp_path / "real", "old")
    link = tmp_path / "current"
    link.symlink_to(real)
    deliver(new, link)
    assert link.is_symlink()
    assert set(contents(real).values()) == {"new"}


@pytest.mark.parametrize(
    ("name", "is_folder", "said"),
    [
        ("model.tflite", False, "is a file"),
        ("shipped.zip", True, "is a folder"),
        ("photos", True, "holds no bundle"),
    ],
)
def test_force_overwrites_nothing_but_a_bundle(
    name: str, is_folder: bool, said: str, tmp_path: Path
):
    out = tmp_path / name
    if is_folder:
        out.mkdir()
        (out / "letter.txt").write_text("mine")
    else:
        out.write_text("mine")
    with pytest.raises(InputError, match=said):
        check_place(out, force=True)


@pytest.mark.parametrize("package", sorted(PACKAGES.values()))
def test_a_bundle_installs_a_numpy_with_which_its_runtime_loads(package: str):
    (numpy,) = (each for each in requirements(Manifest(), package) if each.startswith("numpy"))
    if package in ISOLATED_ENVIRONMENTS:
        assert numpy in ISOLATED_ENVIRONMENTS[package].packages
    assert numpy == ("numpy>=1.26,<2" if package == "tflite-runtime" else "numpy>=1.26")


def test_a_bundle_for_a_gpu_installs_what_that_gpu_needs():
    cuda = requirements(Manifest(), *packages_for("onnxruntime", "cuda"))
    assert cuda[0].partition("==")[0] == "onnxruntime-gpu[cuda,cudnn]"
    tensorrt = requirements(Manifest(), *packages_for("onnxruntime", "tensorrt"))
    assert [line.partition("==")[0] for line in tensorrt[:2]] == [
        "onnxruntime-gpu[cuda,cudnn]", "tensorrt",
    ]  # fmt: skip
    assert packages_for("onnxruntime", "cpu") == ("onnxruntime",)
    assert packages_for("litert", "gpu") == ("ai-edge-litert",)


def test_where_nobody_lists_instruction_sets_none_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
):
    about = {"machine": {"architecture": None, "instruction_sets": ["avx2"]}}
    monkeypatch.setattr(runner, "instruction_sets", set)
    assert runner.differences(about) == []
    monkeypatch.setattr(runner, "instruction_sets", lambda: {"sse2"})
    assert "lacks avx2" in " ".join(runner.differences(about))
