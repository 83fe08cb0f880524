"""The modules of edgecnn that a bundle needs, under a package name of its own.

A bundle runs the code that measured it, not a copy in other words: the sources are taken as they
are, and only their imports are renamed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import edgecnn

PACKAGE = "edgecnn"
_HOME = Path(edgecnn.__file__).parent
_IMPORT = re.compile(r"^(\s*(?:from|import)\s+)edgecnn\b", re.MULTILINE)
_PLACE = re.compile(r"([\"'])edgecnn\.(?=[\w.]+:\w)")
"""A module and what it holds, as registries name them."""


def sources(entries: Iterable[str], prefix: str) -> Mapping[str, str]:
    """Path below the new package → source, for `entries` ("edgecnn.preprocessing") and all that
    they import. Imports say `prefix` where they said edgecnn.
    """
    waiting = list(entries)
    texts: dict[str, str] = {"__init__.py": '"""Parts of edgecnn, as they were measured."""\n'}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _file_of(name)
        if path is None:
            continue
        text = path.read_text(encoding="utf-8")
        renamed = _PLACE.sub(rf"\g<1>{prefix}.", _IMPORT.sub(rf"\g<1>{prefix}", text))
        texts[str(path.relative_to(_HOME))] = renamed
        waiting += _imported(ast.parse(text))
        waiting += _parents(name)
    return dict(sorted(texts.items()))


def _file_of(name: str) -> Path | None:
    """The file of a module; None for an attribute of one, and for edgecnn itself."""
    parts = name.split(".")[1:]
    if not parts:
        return None
    base = _HOME.joinpath(*parts)
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(2, len(parts))]


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _imported(tree: ast.AST) -> Iterator[str]:
    """The modules of edgecnn that a source names, but for what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.startswith(f"{PACKAGE}."))
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            yield f"{node.module}"
            yield from (f"{node.module}.{each.name}" for each in node.names)
        yield from _imported(node)
