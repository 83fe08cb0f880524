"""Isolated environments: which there are, where they lie, and which Python they need.

tflite-runtime's last release needs numpy 1, LiteRT runs with numpy 2; onnx2tf pins each of its
dependencies and needs a newer Python. Each gets its own virtual environment, and the process that
uses it starts with that environment's Python. `benchmarking.environments` creates them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import MissingDependencyError
from edgecnn.registry import unknown_name
from edgecnn.system.places import data_home

MARKER = "edgecnn.json"
"""The file in an environment that was created to the end."""


@dataclass(frozen=True)
class IsolatedEnvironment:
    """What an isolated environment holds, and which Pythons its packages have wheels for."""

    packages: tuple[str, ...]
    pythons: tuple[tuple[int, int], ...]
    purpose: str
    options: tuple[str, ...] = ()
    """How they are installed, in pip's words."""


ISOLATED_ENVIRONMENTS: Mapping[str, IsolatedEnvironment] = {
    "tflite-runtime": IsolatedEnvironment(
        packages=("tflite-runtime==2.14.0", "numpy>=1.26,<2"),
        pythons=((3, 11),),
        purpose="the last tflite-runtime (2023), which fails with numpy 2",
    ),
    "pnnx": IsolatedEnvironment(
        packages=("pnnx>=20260101",),
        pythons=((3, 11), (3, 12), (3, 13), (3, 14)),
        purpose="the program that makes ncnn files, without the torch that its package asks for",
        options=("--no-deps",),
    ),
    "onnx2tf": IsolatedEnvironment(
        packages=("onnx2tf>=2.6,<3",),
        pythons=((3, 12), (3, 13)),
        purpose="writes TFLite files from ONNX; pins its dependencies, needs Python 3.12",
    ),
}


def environments_folder() -> Path:
    """Where isolated environments lie: $EDGECNN_HOME/envs, by default under the user's data."""
    return data_home() / "envs"


def python_of(name: str) -> Path | None:
    """The Python of an environment that was created to the end, else None."""
    folder = environments_folder() / name
    python = python_in(folder)
    return python if (folder / MARKER).is_file() and python.exists() else None


def python_in(folder: Path) -> Path:
    """Where a virtual environment has its Python."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version_in(name: str, package: str) -> str:
    """The version of a package in an environment, "not installed" without."""
    folder = environments_folder() / name
    for place in ("lib/python*/site-packages", "Lib/site-packages"):
        for path in folder.glob(f"{place}/{package}-*.dist-info"):
            return path.name.removeprefix(f"{package}-").removesuffix(".dist-info")
    return "not installed"


def environment_of(name: str) -> IsolatedEnvironment:
    """Raises InputError for an environment that nobody knows."""
    if name not in ISOLATED_ENVIRONMENTS:
        raise unknown_name("environment", name, ISOLATED_ENVIRONMENTS)
    return ISOLATED_ENVIRONMENTS[name]


def find_python(name: str) -> Path:
    """A Python to make an environment with: this one if it fits, else one on the PATH or one of
    pyenv's. Raises MissingDependencyError where there is none.
    """
    pythons = environment_of(name).pythons
    if sys.version_info[:2] in pythons:
        return Path(sys.executable)
    for version in pythons:
        for candidate in _candidates(*version):
            if _runs(candidate, version):
                return candidate
    wanted = " or ".join(f"{major}.{minor}" for major, minor in pythons)
    first = "{}.{}".format(*pythons[0])
    raise MissingDependencyError(
        f"needs Python {wanted}; this is {sys.version_info[0]}.{sys.version_info[1]}",
        hint=f"install python{first} so that it is on the PATH (pyenv's are found as well)",
    )


def _candidates(major: int, minor: int) -> Iterator[Path]:
    name = f"python{major}.{minor}"
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/{major}.{minor}.*/bin/{name}"), reverse=True)


def _runs(python: Path, version: tuple[int, int]) -> bool:
    """Whether a Python starts and is of that version: pyenv leaves stubs on the PATH that only
    say that the version is not switched on.
    """
    code = "import sys, venv; print(*sys.version_info[:2])"
    try:
        completed = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return completed.returncode == 0 and completed.stdout.split() == [str(part) for part in version]
