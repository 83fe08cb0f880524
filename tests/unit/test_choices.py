"""A name that nobody thought of is an error with the known ones, never the last of the list."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import edgecnn
from edgecnn.benchmarking.loop import scenarios
from edgecnn.conversion.embedding import embed_manifest
from edgecnn.conversion.exporters import exporter
from edgecnn.conversion.float_files import FloatFiles
from edgecnn.conversion.plan import planned_manifest
from edgecnn.conversion.targets import Target
from edgecnn.conversion.verification.verify import load_session
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.formats.kinds import known_suffixes
from edgecnn.formats.recipes import MADE
from edgecnn.manifest import Artifact, Manifest
from edgecnn.registry import FORMATS, RUNTIMES, lookup
from edgecnn.results import Load, RuntimeOptions
from edgecnn.runtimes.first_layer import read_first_convolution
from edgecnn.training.augmentation import augmentation_for

PACKAGE = Path(edgecnn.__file__).parent
ODD = Path("model.coreml")
SOURCE = SimpleNamespace(
    name="m",
    sha256="ab",
    loops=(),
    carries=lambda _target: False,
    converter=lambda file_format: exporter("onnx", file_format),
    write_float=lambda file_format, _path: exporter("onnx", file_format),
)

CHOICES: dict[str, Callable[[], object]] = {
    "recipe of a target": lambda: Target("tflite", "static_int3").spec,
    "format of an embedded manifest": lambda: embed_manifest(ODD, Manifest()),
    "format of a float file": lambda: FloatFiles(SOURCE, Path(), None).write(
        Target("coreml", "float32"), ODD
    ),
    "format of a plan": lambda: planned_manifest(
        Target("coreml", "float32"), SOURCE, Manifest(), None, SimpleNamespace(record=dict)
    ),
    "runtime of a format": lambda: load_session(ODD),
    "first layer": lambda: read_first_convolution(ODD),
    "format of an artifact": lambda: Artifact(ODD, Manifest(), "ab", 1).format,
    "modality": lambda: augmentation_for("smell", "light"),
    "level": lambda: augmentation_for("volume", "brutal"),
    "scenario": lambda: scenarios.run([[]], Load("rush_hour"), None, None, 0),
}


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_name_is_refused_with_the_known_ones(name: str):
    with pytest.raises(InputError) as caught:
        CHOICES[name]()
    assert "unknown" in caught.value.message
    assert "known: " in caught.value.hint


@pytest.mark.parametrize("name", RUNTIMES.builtin)
def test_every_runtime_refuses_a_device_that_it_does_not_have(name: str):
    runtime = RUNTIMES.load(name)
    for ask in (
        lambda: runtime.probe("abacus"),
        lambda: runtime.load(Path("model.tflite"), "abacus", RuntimeOptions()),
    ):
        with pytest.raises(EdgeCNNError, match="unknown device") as caught:
            ask()
        assert runtime.devices[0] in caught.value.hint


def test_the_nearest_name_is_offered():
    with pytest.raises(InputError) as caught:
        lookup("format", "tflit", {"tflite": 1, "onnx": 2})
    assert "did you mean 'tflite'?" in caught.value.hint


# The whole package, looked through

NAMES = {*known_suffixes(), *FORMATS.builtin, *MADE, *scenarios.SCENARIOS}
MODULES = sorted(PACKAGE.rglob("*.py"))
TWO_KINDS = {
    # Two formats of which the caller has checked that it is one of them.
    "conversion/sequences.py": "targets name a recipe or a quantizer's, which refuse others",
    "conversion/verification/sensitivity.py": "formats are checked at the top of layer_noise",
    "conversion/quantizers/float_tail.py": "operators_in raises for others",
    "runtimes/opencv.py": "opencv._format raises for others",
    "formats/check.py": "check_format raises for others",
    "feeding/proof.py": "a front that nobody can read proves nothing",
    "explanation/subject.py": "load_session raises for others",
    "explanation/explain.py": "the parent of anything but a Keras file is in its manifest",
    "conversion/plan.py": "what only one format has",
    "conversion/float_files.py": "float32 is copied, other recipes are looked up",
    "benchmarking/machine/limit_kernels.py": "two kernels, written beside it",
    "formats/onnx/front.py": "two ways of writing floats",
    "measurements.py": "samples of a request, by scenario",
    "analysis/baselines.py": "samples of a request, by scenario",
}


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def lines_where(wrong: Callable[[ast.AST], bool]) -> dict[str, list[int]]:
    """Lines of each module of the package that hold such a node."""
    found = {
        path.relative_to(PACKAGE).as_posix(): [
            node.lineno for node in nodes_of(path) if wrong(node)
        ]
        for path in MODULES
    }
    return {name: lines for name, lines in found.items() if lines}


def indexed_by_suffix(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and any(
            isinstance(part, ast.Attribute) and part.attr == "suffix"
            for part in ast.walk(node.slice)
        )
    )


def ends_in_a_plain_else(node: ast.AST) -> bool:
    return isinstance(node, ast.If | ast.IfExp) and names_one(node.test) and not ends_well(node)


def test_no_table_is_indexed_by_a_suffix():
    """A file ending nobody thought of would be a KeyError: `registry.lookup` names it."""
    checked = {"formats/check.py"}  # check_format raises for others right before
    found = lines_where(indexed_by_suffix)
    assert {name: lines for name, lines in found.items() if name not in checked} == {}


def test_no_chain_over_formats_recipes_or_scenarios_ends_in_a_plain_else():
    found = lines_where(ends_in_a_plain_else)
    assert {name: lines for name, lines in found.items() if name not in TWO_KINDS} == {}


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("table[path.suffix]", indexed_by_suffix),
        ('x = 1\nif form == "onnx":\n    x = f()\nelse:\n    x = g()', ends_in_a_plain_else),
        ('x = f() if form == "onnx" else g()', ends_in_a_plain_else),
    ],
)
def test_what_is_looked_for_would_be_found(code: str, wrong: Callable[[ast.AST], bool]):
    assert any(wrong(node) for node in ast.walk(ast.parse(code)))


def names_one(test: ast.expr) -> bool:
    """`x == "onnx"`: a choice among names that more may join."""
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value in NAMES
    )


def ends_well(node: ast.If | ast.IfExp) -> bool:
    if isinstance(node, ast.IfExp):
        # "what only one has" is no choice: None, "", 1 and the like for all others
        return isinstance(node.orelse, ast.Constant) or isinstance(node.body, ast.Constant)
    last = node.orelse
    while len(last) == 1 and isinstance(last[0], ast.If):
        last = last[0].orelse
    return not last or isinstance(last[-1], ast.Raise)
