"""The house has floors: imports go downward, and rooms of one floor do not know each other."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import edgecnn

PACKAGE = Path(edgecnn.__file__).parent

FLOORS = (
    {"version", "text", "deprecation", "disjoint_sets", "errors", "moved"},
    {"system", "statistics", "escaping", "progress"},
    {"registry", "files", "records", "numbers"},
    {"isolated_environments"},
    {"preprocessing", "postprocessing", "class_names", "formats"}
    | {"roofline", "geometry", "modalities", "tensor_spec"},
    {"manifest", "detection", "sequences", "synthetic_inputs"},
    {"results"},
    {"embedded_manifest", "keras_files", "store", "selection"},
    {"models", "data", "runtimes", "evaluation", "analysis"},
    {"reporting"},
    {"feeding", "translation"},
    {"training", "conversion", "benchmarking", "vision", "explanation", "boards"},
    {"optimization", "search"},
    {"pipeline"},
    {"cli"},
)
DATA_FLOORS = (
    {"files"}, {"boxes", "packed"}, {"sources", "synthetic"}, {"splitting"}, {"inspection"},
)  # fmt: skip
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {"numpy", "tensorflow", "keras", "onnx", "onnxruntime", "cv2", "openvino", "ai_edge_litert",
         "ncnn", "MNN", "_tools", "optuna", "distributed", "dask"}  # fmt: skip
HEAVY_AT_THE_TOP = HEAVY - {"numpy"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def imports_of(path: Path) -> frozenset[str]:
    return frozenset(imported(tree_of(path)))


def not_downward(
    paths: list[Path], floor_of: dict[str, int], prefix: str, place: int
) -> dict[str, set[str]]:
    """What each module imports from its own floor or a higher one, of the rooms in `floor_of`."""
    wrong = {}
    for path in paths:
        room = path.relative_to(PACKAGE).parts[place - 1].removesuffix(".py")
        used = {name.split(".")[place] for name in imports_of(path) if name.startswith(prefix)}
        higher = {
            other
            for other in (used & floor_of.keys()) - {room}
            if floor_of[other] >= floor_of[room]
        }
        if higher:
            wrong[str(path.relative_to(PACKAGE))] = higher
    return wrong


def test_every_room_has_a_floor():
    assert len(MODULES) > 300
    assert {room_of(path) for path in MODULES} <= set(FLOOR_OF)


def test_imports_go_downward_only():
    assert not_downward(MODULES, FLOOR_OF, "edgecnn.", 1) == {}


def test_rooms_of_data_import_downward_too():
    floor_of = {room: number for number, rooms in enumerate(DATA_FLOORS) for room in rooms}
    paths = sorted((PACKAGE / "data").glob("*/*.py"))
    assert {path.parent.name for path in paths} == floor_of.keys()
    assert not_downward(paths, floor_of, "edgecnn.data.", 2) == {}


def test_an_import_upward_would_be_found(monkeypatch):
    path = PACKAGE / "formats" / "kinds.py"
    monkeypatch.setattr(f"{__name__}.imports_of", lambda _: {"edgecnn.cli.main", "edgecnn.errors"})
    assert not_downward([path], FLOOR_OF, "edgecnn.", 1) == {"formats/kinds.py": {"cli"}}


def test_heavy_libraries_are_imported_inside_functions():
    wrong = {}
    for path in MODULES:
        outside = ast.Module([node for node in tree_of(path).body if not is_lazy(node)], [])
        if found := {name.split(".")[0] for name in imported(outside)} & HEAVY_AT_THE_TOP:
            wrong[str(path.relative_to(PACKAGE))] = found
    assert wrong == {}


def is_lazy(node: ast.stmt) -> bool:
    """Functions, classes (whose methods are functions) and what only type checkers read."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def test_models_use_the_keras_api_only():
    of_models = [path for path in MODULES if room_of(path) == "models"]
    assert len(of_models) > 10
    for path in of_models:
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert not roots & {"tensorflow", "torch", "jax"}, path
