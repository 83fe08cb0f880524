"""Manage isolated environments for runtimes whose dependencies conflict.

tflite-runtime's last release needs numpy 1, LiteRT runs with numpy 2: each gets its own virtual
environment, and the worker process starts with that environment's Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.errors import EdgeCNNError, InputError, MissingDependencyError
from edgecnn.registry import unknown_name


@dataclass(frozen=True)
class Home:
    """What an isolated environment holds, and which Pythons its packages have wheels for."""

    packages: tuple[str, ...]
    pythons: tuple[tuple[int, int], ...]
    purpose: str


HOMES: Mapping[str, Home] = {
    "tflite-runtime": Home(
        packages=("tflite-runtime==2.14.0", "numpy>=1.26,<2"),
        pythons=((3, 11),),
        purpose="the last tflite-runtime (2023), which fails with numpy 2",
    ),
}

_MARKER = "edgecnn.json"


class CreationError(EdgeCNNError):
    """An isolated environment could not be filled."""

    exit_code = 3


def homes_folder() -> Path:
    """Where isolated environments lie: $EDGECNN_HOME/envs, by default under the user's data."""
    base = os.environ.get("EDGECNN_HOME")
    if base:
        return Path(base) / "envs"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "edgecnn" / "envs"


def python_of(name: str) -> Path | None:
    """The Python of an environment that was created to the end, else None."""
    folder = homes_folder() / name
    python = _python_in(folder)
    return python if (folder / _MARKER).is_file() and python.exists() else None


def described(name: str) -> dict[str, Any]:
    """What is known of an environment: whether it is there, its packages, its purpose."""
    home = _home(name)
    marker = homes_folder() / name / _MARKER
    created = python_of(name) is not None
    record = json.loads(marker.read_text(encoding="utf-8")) if created else {}
    return {
        "name": name,
        "created": created,
        "purpose": home.purpose,
        "packages": record.get("packages", list(home.packages)),
        "folder": str(homes_folder() / name),
    }


def create(name: str, *, force: bool = False) -> Path:
    """Create an environment and return its Python; an existing one is kept unless `force`.

    Raises MissingDependencyError when no fitting Python is found, CreationError when the
    packages cannot be installed. What is half made is removed again.
    """
    home = _home(name)
    existing = python_of(name)
    if existing is not None and not force:
        return existing
    folder = homes_folder() / name
    base = _find_python(home)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _call([str(base), "-m", "venv", str(folder)], "create the environment")
        python = _python_in(folder)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _call([*install, *home.packages], f"install {', '.join(home.packages)}")
        frozen = _call([str(python), "-m", "pip", "freeze"], "list what was installed")
        record = {"packages": frozen.split(), "python": str(base)}
        (folder / _MARKER).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"cannot write {folder}: {error.strerror}", hint="set EDGECNN_HOME to another folder"
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return python


def remove(name: str) -> bool:
    """Delete an environment; False when there was none."""
    _home(name)
    folder = homes_folder() / name
    if not folder.exists():
        return False
    shutil.rmtree(folder)
    return True


def _home(name: str) -> Home:
    if name not in HOMES:
        raise unknown_name("environment", name, HOMES)
    return HOMES[name]


def _find_python(home: Home) -> Path:
    """A Python that the packages have wheels for: this one if it fits, else one on the PATH."""
    if sys.version_info[:2] in home.pythons:
        return Path(sys.executable)
    for major, minor in home.pythons:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return Path(found)
    wanted = " or ".join(f"{major}.{minor}" for major, minor in home.pythons)
    raise MissingDependencyError(
        f"needs Python {wanted}; this is {sys.version_info[0]}.{sys.version_info[1]}",
        hint=f"install python{wanted} so that it is on the PATH",
    )


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _call(command: list[str], purpose: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said[-1:]
        raise CreationError(
            f"could not {purpose}: {errors[0] if errors else 'no reason given'}",
            hint="check the network and the free space, then try again",
        )
    return done.stdout
