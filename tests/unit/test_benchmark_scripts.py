"""Every benchmark can at least begin: what it imports is there."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.documents import PROJECT

FOLDER = PROJECT / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
ELSEWHERE = ("nncf",)
"""What the environment of another project brings."""


def imported(path: Path) -> set[str]:
    """The modules that a script imports at its top, edgecnn's by their whole name."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name if name.startswith("edgecnn") else name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    missing = [name for name in imported(path) - {*ELSEWHERE} if find_spec(name) is None]
    assert not missing
