"""Finding a Python for an isolated environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn import isolated_environments
from edgecnn.errors import MissingDependencyError


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment that needs Python 3.99, on a machine without any."""
    known = {
        "odd": isolated_environments.IsolatedEnvironment(
            ("odd",), ((3, 99),), "needs a Python of its own"
        )
    }
    monkeypatch.setattr(isolated_environments, "ISOLATED_ENVIRONMENTS", known)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_one_on_the_path_is_taken(root: Path):
    python = program(root / "bin" / "python3.99", "echo 3 99")
    assert isolated_environments.find_python("odd") == python


def test_a_stub_that_does_not_run_is_passed_over_for_one_of_pyenv(root: Path):
    program(
        root / "bin" / "python3.99",
        "echo 'pyenv: python3.99: command not found' >&2; exit 127",
    )
    python = program(root / "pyenv/versions/3.99.1/bin/python3.99", "echo 3 99")
    assert isolated_environments.find_python("odd") == python


def test_one_of_another_version_is_not_taken(root: Path):
    program(root / "bin" / "python3.99", "echo 3 11")
    with pytest.raises(MissingDependencyError, match=r"needs Python 3\.99") as caught:
        isolated_environments.find_python("odd")
    assert "install python3.99" in caught.value.hint
