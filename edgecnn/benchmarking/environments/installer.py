"""Fill isolated environments: uv where it is installed, else the pip of this Python.

pip works on an environment from outside (`--python`), so that none needs a pip of its own, which
takes longer to make than most runtimes take to install. Both read their own settings; those of
pip that say where packages come from are handed to uv, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.errors import EdgeCNNError, MissingDependencyError

TIMEOUT_SECS = 1_800.0
_FOR_UV: Mapping[str, str] = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
}
_SECRET = re.compile(r"://[^/\s@]*@")


class CreationError(EdgeCNNError):
    """An isolated environment could not be made or filled."""

    exit_code = 3


def make(folder: Path, base: Path) -> None:
    """An empty environment at `folder` for the Python `base`. Raises CreationError."""
    uv = shutil.which("uv")
    if uv:
        command = [uv, "venv", "--quiet", "--python", str(base), str(folder)]
    else:
        command = [str(base), "-m", "venv", "--without-pip", str(folder)]
    call(command, "create the environment")


def install(python: Path, packages: Sequence[str]) -> None:
    """Install packages into the environment of `python`. Raises as `call`."""
    purpose = f"install {', '.join(packages)}"
    uv = shutil.which("uv")
    with_pip = [*_pip(python), "install", "--quiet", *packages]
    if not uv:
        call(with_pip, purpose)
        return
    try:
        call([uv, "pip", "install", "--quiet", "--python", str(python), *packages], purpose)
    except CreationError as failed:
        try:  # there are settings that only pip knows; it also says more clearly what failed
            call(with_pip, purpose)
        except MissingDependencyError:
            raise failed from None


def installed(python: Path) -> list[str]:
    """What is installed there, as in "numpy==2.4.6". Raises as `call`."""
    uv = shutil.which("uv")
    command = [uv, "pip", "freeze", "--python", str(python)] if uv else [*_pip(python), "freeze"]
    return call(command, "list what was installed").split("\n")


def available(package: str) -> list[str]:
    """Released versions of a package that this Python could install, the newest first.

    Where packages come from is pip's own setting; uv has no such list. Raises as `call`.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    listing = call([*command, "index", "versions", package], f"list versions of {package}")
    for line in listing.splitlines():
        head, colon, versions = line.partition(":")
        if colon and head.strip() == "Available versions":
            return [version.strip() for version in versions.split(",") if version.strip()]
    raise CreationError(
        f"could not list versions of {package}: pip gave an unknown answer",
        hint="update pip: python -m pip install --upgrade pip",
    )


def _pip(python: Path) -> list[str]:
    return [sys.executable, "-m", "pip", "--python", str(python), "--no-input",
            "--disable-pip-version-check"]  # fmt: skip


def call(command: Sequence[str], purpose: str) -> str:
    """What a command prints. Raises CreationError with its reason, without any password, and
    MissingDependencyError for a pip that is not installed.
    """
    environment = dict(os.environ)
    for name, other in _FOR_UV.items():
        if name in environment:
            environment.setdefault(other, environment[name])
    try:
        completed = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment,
            timeout=TIMEOUT_SECS,
        )
    except OSError as error:
        raise CreationError(f"could not {purpose}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CreationError(
            f"could not {purpose}: no end after {TIMEOUT_SECS:.0f} s", hint="check the network"
        ) from error
    if completed.returncode == 0:
        return completed.stdout
    if "No module named pip" in completed.stderr:
        raise MissingDependencyError(
            f"could not {purpose}: pip is not installed here",
            hint=f"{sys.executable} -m ensurepip",
        )
    lines = [
        line.strip() for line in (completed.stderr + completed.stdout).splitlines() if line.strip()
    ]
    errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:]
    reason = _SECRET.sub("://", errors[-1])[:300] if errors else "no reason given"
    raise CreationError(
        f"could not {purpose}: {reason}",
        hint="check the name, the network and the free space, then try again",
    )
