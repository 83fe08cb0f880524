"""CONTRIBUTING's "Adding …" names every place: found by looking for what is there already."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "edgecnn"
TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = {
    "a runtime": "mnn",
    "a model format": "mnn",
    "a recipe": "static_int8_mse",
    "an architecture": "voxnet",
    "a data source": "voxels",
    "a task": "translation",
    "a detection head": "fastestdet",
    "a verb": "doctor",
}
SHARE_A_NAME = ({"a runtime", "a model format"},)
"""A runtime with a format of its own is called like it: what mentions it may be in either list."""


def paragraph(kind: str) -> str:
    found = re.search(rf"^- \*\*{kind}\*\*:(.*?)(?=^- \*\*|^\S|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None, f"CONTRIBUTING says nothing about adding {kind}"
    return found[1]


def places(kind: str) -> set[str]:
    """Paths that the paragraph names, NAME replaced by the example's."""
    named = re.findall(r"`((?:edgecnn|tests|docs)/[\w./-]+|pyproject\.toml)`", paragraph(kind))
    return {name.replace("NAME", EXAMPLES[kind]) for name in named}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_place_that_is_named_is_there(kind):
    assert places(kind)
    for place in places(kind):
        path = PROJECT / place
        small_folder = path.with_suffix("") / "__init__.py"
        assert path.exists() or small_folder.exists(), place


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_file_that_mentions_one_is_named(kind):
    name = EXAMPLES[kind]
    mention = re.compile(rf"""["']{name}["':]|["']edgecnn\.[\w.]*\.{name}:""")
    mentioning = {
        path.relative_to(PROJECT).as_posix()
        for path in PACKAGE.rglob("*.py")
        if mention.search(path.read_text(encoding="utf-8"))
    }
    together = next((kinds for kinds in SHARE_A_NAME if kind in kinds), {kind})
    named = set().union(*map(places, together))
    folders = tuple(place for place in named if place.endswith("/"))
    missing = {path for path in mentioning - named if not path.startswith(folders or ("/",))}
    own = {path for path in missing if f"/{name}/" in path}  # its own small folder
    assert missing == own, f"CONTRIBUTING does not say that {kind} is named here"
    assert mentioning


def test_needed_places_are_few():
    """What has to be touched before "may also be named": a file, a line, and what proves it."""
    for kind in EXAMPLES:
        needed = " ".join(paragraph(kind).split()).partition("may also")[0]
        named = re.findall(r"`((?:edgecnn|tests|docs)/[\w./-]+|pyproject\.toml)`", needed)
        assert len(named) <= 8, f"{kind}: {named}"
