"""CONTRIBUTING's "Adding …" names every place: found by looking for what is there already."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from edgecnn.cli.verbs import VERBS
from edgecnn.conversion.recipe import PRESETS
from edgecnn.registry import DATA_SOURCES, FORMATS, HEADS, MODELS, RUNTIMES

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "edgecnn"
TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = {
    "a runtime": ("mnn", "ncnn"),
    "a model format": ("mnn", "ncnn"),
    "a recipe": ("static_int8_mse", "static_int8_percentile"),
    "an architecture": ("voxnet", "cnn1d", "googlenet"),
    "a data source": ("voxels", "gtsrb"),
    "a task": ("translation",),
    "a detection head": ("fastestdet", "nanodet", "yolox"),
    "a verb": ("doctor",),
}
"""Whose names mean nothing else elsewhere, as "data" and "opencv" do."""
SHARE_A_NAME = ({"a runtime", "a model format"},)
"""A runtime with a format of its own is called like it: what mentions it may be in either list."""
LISTED = (
    ("a runtime", RUNTIMES.names()),
    ("a runtime", ("ai_edge_litert", "onnxruntime", "openvino", "cv2", "ncnn", "MNN", "keras")),
    (
        "a runtime",
        ("ai-edge-litert", "onnxruntime-gpu", "openvino", "opencv-python", "ncnn", "mnn"),
    ),
    ("a model format", FORMATS.names()),
    ("a recipe", tuple(PRESETS)),
    ("an architecture", MODELS.names()),
    ("a data source", DATA_SOURCES.names()),
    ("a detection head", HEADS.names()),
    ("a verb", tuple(VERBS)),
)
"""Names of each kind; of runtimes also those of their modules and of their packages on PyPI. Tasks
are called by words that many files use.
"""
THIS_FILE = "tests/unit/test_contributing.py"


def paragraph(kind: str) -> str:
    found = re.search(rf"^- \*\*{kind}\*\*:(.*?)(?=^- \*\*|^\S|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None, f"CONTRIBUTING says nothing about adding {kind}"
    return found[1]


def in_words(text: str) -> list[str]:
    return re.findall(r"`((?:edgecnn|tests|docs)/[\w./-]+|pyproject\.toml|constraints\.txt)`", text)


def places(kind: str, name: str) -> set[str]:
    """Paths that the paragraph names, NAME replaced by the example's."""
    return {place.replace("NAME", name) for place in in_words(paragraph(kind))}


def each_example():
    return [(kind, name) for kind, names in EXAMPLES.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), each_example())
def test_every_place_that_is_named_is_there(kind, name):
    assert places(kind, name)
    for place in places(kind, name):
        path = PROJECT / place
        small_folder = path.with_suffix("") / "__init__.py"
        assert path.exists() or small_folder.exists(), place


@pytest.mark.parametrize(("kind", "name"), each_example())
def test_every_file_that_mentions_one_is_named(kind, name):
    mention = re.compile(rf"""["']{name}["':]|["']edgecnn\.[\w.]*\.{name}:""")
    mentioning = {
        path.relative_to(PROJECT).as_posix()
        for path in PACKAGE.rglob("*.py")
        if mention.search(path.read_text(encoding="utf-8"))
    }
    together = next((kinds for kinds in SHARE_A_NAME if kind in kinds), {kind})
    named = set().union(*(places(kind, name) for kind in together))
    folders = tuple(place for place in named if place.endswith("/"))
    missing = {path for path in mentioning - named if not path.startswith(folders or ("/",))}
    own = {path for path in missing if re.search(rf"/{name}[/._]", path)}
    assert missing == own, f"CONTRIBUTING does not say that {kind} is named here"
    assert mentioning


@cache
def around_the_package() -> dict[str, str]:
    """Path → text of tests, documentation and what installs the package."""
    endings = ("*.py", "*.md", "*.toml")
    found = [
        path for end in endings for top in ("tests", "docs") for path in (PROJECT / top).rglob(end)
    ]
    found += [PROJECT / name for name in ("pyproject.toml", "constraints.txt", "mkdocs.yml")]
    return {
        path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8") for path in found
    }


def that_list(names: Iterable[str]) -> set[str]:
    """Files around the package that name all of a kind, or all but one: whoever adds another has
    to look there.
    """
    patterns = [re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") for name in names]
    return {
        path
        for path, text in around_the_package().items()
        if sum(1 for pattern in patterns if not pattern.search(text)) <= 1
    }


@pytest.mark.parametrize(("kind", "names"), LISTED)
def test_every_list_in_tests_and_documentation_is_named(kind, names):
    assert that_list(names) - set(in_words(paragraph(kind))) - {THIS_FILE} == set()


def test_lists_around_the_package_are_found():
    found = set().union(*(that_list(names) for _, names in LISTED))
    assert {
        "constraints.txt",
        "docs/reference/networks.md",
        "pyproject.toml",
        "tests/unit/detection/test_heads.py",
        "tests/unit/models/test_architectures.py",
        "tests/unit/test_architecture.py",
    } <= found


def test_needed_places_are_few():
    """What has to be touched before "may also be named": a file, a line, and what proves it."""
    for kind in EXAMPLES:
        needed = " ".join(paragraph(kind).split()).partition("may also")[0]
        assert len(in_words(needed)) <= 8, f"{kind}: {in_words(needed)}"
