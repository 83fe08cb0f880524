"""README's and the documentation's commands, run as they stand there, page by page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import documents
from tests.documents import PROJECT
from tests.e2e import given

PAGES = [page for page in documents.pages() if page.runs]
MAY_SAY_NO = ("edgecnn compare", "edgecnn results gate")
"""1 is an answer: on a busy machine something may really have got slower, or stay undecided."""


@pytest.fixture(scope="module")
def cellar(tmp_path_factory):
    """Where what pages start from is made, once each."""
    return tmp_path_factory.mktemp("given")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The user's shell: edgecnn on the path, a home and a database of its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    database = f"sqlite:///{tmp_path / 'results.db'}"
    source = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PATH": path, "EDGECNN_DB": database, "PYTHONPATH": source}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_works_in_its_order(page, tmp_path, cellar, environment):
    folder = tmp_path / "page"
    folder.mkdir()
    for name in page.given:
        given.give(name, folder, cellar)
    for block in page.blocks:
        if not block.runs:
            continue
        shell = block.language == "sh"
        for command in block.commands if shell else [block.text]:
            typed = ["bash", "-c", command] if shell else [sys.executable, "-c", command]
            done = subprocess.run(
                typed, cwd=folder, env=environment, timeout=900, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            fine = (0, 1) if command.startswith(MAY_SAY_NO) else (0,)
            where = f"{page.name}:{block.line}: {command}"
            assert done.returncode in fine, f"{where}\n{done.stdout}\n{done.stderr}"


def test_everything_that_a_page_starts_from_can_be_made():
    for page in documents.pages():
        assert set(page.given) <= set(given.MAKERS), page.name
