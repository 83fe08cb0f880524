"""What goes into a bundle: sources under another name, and a C header."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.optimization.c_array import adder, header
from edgecnn.optimization.vendored import sources
from edgecnn.registry import FORMATS

ENTRIES = (
    "edgecnn.optimization.runner",
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
