"""Prose in the package keeps to plain American English: a short list of words that it avoids."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edgecnn

PACKAGE = Path(edgecnn.__file__).parent
AVOIDED = {
    "anew": "again",
    "given again": "rerun",
    "cannot be told": "is unknown; statistically indistinguishable",
    "unless told otherwise": "by default",
    "goes on from": "resumes from",
    "(it|that|which|what) is no (model|image|file)": "is not a",
    "colour": "color",
    "grey": "gray",
    "centre": "center",
    "neighbour": "neighbor",
    "behaviour": "behavior",
    "quantis": "quantiz",
    "normalis": "normaliz",
    "optimis(e|a|ing)": "optimiz",
    "licence": "license",
}
KEPT = {'"colours": ['}
"""A key of a file that users may read with programs of their own."""


@pytest.mark.parametrize("word", AVOIDED)
def test_a_word_is_avoided(word: str):
    pattern = re.compile(word, re.IGNORECASE)
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line) and line.strip() not in KEPT
    ]
    assert not found, f"say {AVOIDED[word]!r}: {found[:5]}"
