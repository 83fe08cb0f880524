"""The house has floors: imports go downward, and rooms of one floor do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgecnn

PACKAGE = Path(edgecnn.__file__).parent

FLOORS = (
    {"version", "places", "text", "native_output"},
    {"errors", "scratch", "privacy"},
    {"registry", "files", "claims", "progress", "records", "run_details"},
    {"isolated_environments"},
    {"preprocessing", "postprocessing", "class_names", "formats", "json_schema"}
    | {"stats", "roofline", "proportions", "selection", "geometry", "modalities"},
    {"manifest", "detection", "sequences", "runs", "run_options", "ratios", "change_points"}
    | {"output_quality"},
    {"measurements", "synthetic_inputs"},
    {"repeat"},
    {"results", "accuracy_drop", "proof"},
    {"embedded_manifest", "keras_files", "store", "results_schema"},
    {"models", "data", "runtimes", "evaluation", "reporting"},
    {"feeding", "translation"},
    {"training", "conversion", "benchmarking", "vision", "explanation", "boards"},
    {"optimization", "search"},
    {"pipeline"},
    {"cli"},
)
DATA_FLOORS = ({"files"}, {"boxes", "packed"}, {"sources", "synthetic"}, {"inspection"})
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {"numpy", "tensorflow", "keras", "onnx", "onnxruntime", "cv2", "openvino", "ai_edge_litert",
         "ncnn", "MNN", "_tools", "optuna", "distributed", "dask"}  # fmt: skip
HEAVY_AT_THE_TOP = HEAVY - {"numpy"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ids(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} <= set(FLOOR_OF)


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_go_downward_only(path: Path):
    room = room_of(path)
    used = {
        name.split(".")[1]
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("edgecnn.") and name.split(".")[1] in FLOOR_OF
    }
    wrong = {other for other in used - {room} if FLOOR_OF[other] >= FLOOR_OF[room]}
    assert not wrong, f"{room} (floor {FLOOR_OF[room]}) imports {wrong}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "data").glob("*/*.py")), ids=ids)
def test_rooms_of_data_import_downward_too(path: Path):
    floor_of = {room: number for number, rooms in enumerate(DATA_FLOORS) for room in rooms}
    room = path.parent.name
    used = {
        name.split(".")[2]
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("edgecnn.data.") and name.split(".")[2] in floor_of
    }
    wrong = {other for other in used - {room} if floor_of[other] >= floor_of[room]}
    assert not wrong, f"data/{room} imports {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_heavy_libraries_are_imported_inside_functions(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    outside = ast.Module([node for node in tree.body if not is_lazy(node)], [])
    assert not {name.split(".")[0] for name in imported(outside)} & HEAVY_AT_THE_TOP


def is_lazy(node: ast.stmt) -> bool:
    """Functions, classes (whose methods are functions) and what only type checkers read."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) == "models"], ids=ids)
def test_models_use_the_keras_api_only(path: Path):
    roots = {name.split(".")[0] for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    assert not roots & {"tensorflow", "torch", "jax"}
