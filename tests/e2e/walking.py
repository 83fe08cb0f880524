"""Pages of README and the documentation, typed as a reader types them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.documents import PROJECT, Page
from tests.e2e import given

MAY_SAY_NO = ("edgecnn compare", "edgecnn results gate")
"""1 is an answer: on a busy machine something may really have got slower, or stay undecided."""
SHORTER = """
from dataclasses import replace
from edgecnn.benchmarking.protocol import PROFILES

for name, profile in PROFILES.items():
    PROFILES[name] = replace(profile, processes=1, most_processes=1)
"""
"""One process measures a row, not four to ten: whether a command works does not depend on it."""


def shell(folder: Path) -> dict[str, str]:
    """The user's environment: edgecnn on the path, a home and a database of its own."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SHORTER)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    source = [str(site), str(PROJECT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PATH": path,
        "EDGECNN_DB": f"sqlite:///{folder / 'results.db'}",
        "PYTHONPATH": os.pathsep.join(filter(None, source)),
    }


def walk(page: Page, folder: Path, made_once: Callable[..., Path]) -> None:
    """Run every command of a page in its order. Raises AssertionError for one that fails."""
    environment = shell(folder)
    work = folder / "page"
    work.mkdir()
    for name in page.given:
        given.give(name, work, made_once)
    for block in page.blocks:
        if not block.runs:
            continue
        is_shell = block.language == "sh"
        for command in block.commands if is_shell else [block.text]:
            typed = ["bash", "-c", command] if is_shell else [sys.executable, "-c", command]
            done = subprocess.run(
                typed, cwd=work, env=environment, timeout=900, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            fine = (0, 1) if command.startswith(MAY_SAY_NO) else (0,)
            where = f"{page.name}:{block.line}: {command}"
            assert done.returncode in fine, f"{where}\n{done.stdout}\n{done.stderr}"
