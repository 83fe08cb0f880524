"""What docstrings, documentation and programs call by a dotted name is there under that name."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import edgecnn

PACKAGE = Path(edgecnn.__file__).parent
PROJECT = PACKAGE.parent
ROOMS = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py")} - {"assets"}
AMBIGUOUS = {"numbers", "statistics"}
"""Modules of the standard library as well."""
DOTTED = re.compile(
    r"`(?:edgecnn\.)?((?:[a-z_]+\.)+\w+)(?:\(\w*\))?`|\bedgecnn\.((?:[a-z_]+\.)*\w+)"
)
ENDINGS = {
    "py",
    "md",
    "json",
    "toml",
    "yaml",
    "npy",
    "html",
    "onnx",
    "tflite",
    "keras",
    "css",
    "js",
}
ENDINGS |= {"manifest"}
NOT_MODULES = {
    "edgecnn.manifest": "the key of a manifest inside a model file",
    "edgecnn.row_axis": "a name inside of a graph",
    "edgecnn.lowest": "a name inside of a graph",
    "edgecnn.sources": "an entry point group",
    "edgecnn.detectors": "an entry point group",
    "edgecnn.sequence_models": "an entry point group",
    "edgecnn.heads": "an entry point group",
    "edgecnn.tasks": "an entry point group",
}


def texts() -> list[Path]:
    found = [path for top in ("edgecnn", "docs", "benchmarks", "demos") for end in ("*.py", "*.md")
             for path in (PROJECT / top).rglob(end)]  # fmt: skip
    return [*found, PROJECT / "CONTRIBUTING.md", PROJECT / "README.md"]


@cache
def is_there(name: str) -> bool:
    """Whether `name`, below edgecnn, is a module or what one holds, down to a class's own names."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:count])
        if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()):
            continue
        holder = importlib.import_module(".".join(("edgecnn", *parts[:count])))
        for attribute in parts[count : count + 2]:
            if attribute in getattr(holder, "__annotations__", {}):
                return True
            if not hasattr(holder, attribute):
                return False
            holder = getattr(holder, attribute)
        return True
    return parts[0] in edgecnn.__all__


def names_in(text: str) -> set[str]:
    names = set()
    for quoted, written in DOTTED.findall(text):
        name = quoted or written
        full = f"edgecnn.{name}"
        room, _, rest = name.partition(".")
        if full in NOT_MODULES or (rest or room) in ENDINGS or name.rpartition(".")[2] in ENDINGS:
            continue
        if (written and room in ROOMS) or (quoted and room in ROOMS - AMBIGUOUS):
            names.add(name)
    return names


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_dotted_name_leads_somewhere(path: Path):
    wrong = {name for name in names_in(path.read_text(encoding="utf-8")) if not is_there(name)}
    assert wrong == set()


def test_a_name_that_leads_nowhere_is_found():
    assert names_in("see `analysis.gate.sentences` and edgecnn.analysis.gate") == {
        "analysis.gate.sentences",
        "analysis.gate",
    }
    assert not is_there("analysis.gate.sentences")
    assert is_there("analysis.gate.RegressionGate.rows")
