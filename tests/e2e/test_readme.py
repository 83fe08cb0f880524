"""README's commands, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.mark.slow
def test_every_command_of_the_walk_through_works_in_its_order(tmp_path: Path):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands():
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path}, timeout=600,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        fine = (0, 1) if command.startswith("edgecnn compare") else (0,)  # 1: it got slower
        assert done.returncode in fine, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_the_python_example_works(tmp_path: Path):
    (block,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, timeout=600, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()


def test_every_verb_stands_in_the_readme():
    from edgecnn.cli.verbs import VERBS

    assert all(f"| `{verb}` |" in README for verb in VERBS)


def test_every_make_target_of_the_readme_is_there():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_relative_link_leads_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (PROJECT / link).exists(), link
