"""Manage isolated environments for runtimes whose dependencies conflict, and for other versions.

tflite-runtime's last release needs numpy 1, LiteRT runs with numpy 2: each gets its own virtual
environment, and the worker process starts with that environment's Python. The same way, a runtime
in another version ("onnxruntime==1.23.*") is measured together with the one that is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.environments import installer, versions
from edgecnn.benchmarking.environments.installer import CreationError
from edgecnn.errors import InputError
from edgecnn.isolated_environments import (
    ISOLATED_ENVIRONMENTS,
    MARKER,
    IsolatedEnvironment,
    environment_of,
    environments_folder,
    find_python,
    python_in,
    python_of,
)

__all__ = [
    "ISOLATED_ENVIRONMENTS",
    "CreationError",
    "IsolatedEnvironment",
    "create",
    "described",
    "environments_folder",
    "installed",
    "names",
    "python_of",
    "remove",
    "resolve",
]

_NUMPY = ("numpy>=1.26", "numpy>=1.26,<2")
"""Older runtimes were built for numpy 1 and often do not say so: the second is tried, too."""


def names() -> list[str]:
    """Environments that are known by name, and those of versions that were created."""
    return [*ISOLATED_ENVIRONMENTS, *(path.name for path in _versioned())]


@dataclass(frozen=True)
class _Created:
    """An environment that was created to the end, and the package that brings its runtime."""

    name: str
    runtime: str
    package: str
    version: str


def resolve(name: str) -> str:
    """The environment of a runtime in a version, as in "onnxruntime==1.23.2".

    A package's name stands for that package alone, a runtime's also for another one that brings
    it where its usual one is not there. Of several that fit a pattern it is the newest. Raises
    InputError where none is created.
    """
    found = installed(name)
    if found is None and _names_a_runtime(name):
        wanted = versions.parse(name)
        found = _newest(each for each in _created(wanted.runtime) if wanted.accepts(each.version))
    if found is None:
        raise InputError(f"{name} is not created", hint=f"edgecnn env create '{name}'")
    return found


def installed(name: str) -> str | None:
    """The environment of the package that "onnxruntime-gpu==1.23.*" names, the newest that fits;
    None where it is not created.
    """
    wanted = versions.parse(name)
    return _newest(
        each
        for each in _created(wanted.runtime)
        if each.package == wanted.package and wanted.accepts(each.version)
    )


def _newest(fitting: Iterable[_Created]) -> str | None:
    ordered = [(versions.order(each.version) or ((), 0), each.name) for each in fitting]
    return max(ordered)[1] if ordered else None


def _names_a_runtime(name: str) -> bool:
    """Whether a name is a runtime's, which may be that of its usual package as well."""
    wanted = versions.parse(name)
    usual = versions.known_packages()[wanted.runtime][0]
    return name.strip().partition("==")[0] == wanted.runtime and wanted.package == usual


def described(name: str) -> dict[str, Any]:
    """What is known of an environment: whether it is there, its packages, its purpose."""
    folder = environments_folder() / name
    created = python_of(name) is not None
    record = _record(folder) if created else {}
    if versions.is_versioned(name):
        purpose, wanted = "a runtime in a version of its own", [name]
    else:
        environment = environment_of(name)
        purpose, wanted = environment.purpose, list(environment.packages)
    return {
        "name": name,
        "created": created,
        "purpose": purpose,
        "packages": record.get("packages", wanted),
        "folder": str(folder),
    }


def create(name: str, *, force: bool = False) -> Path:
    """Create an environment and return its Python; an existing one is kept unless `force`.

    Raises MissingDependencyError when no fitting Python is found, CreationError when the
    packages cannot be installed. What is half made is removed again.
    """
    if versions.is_versioned(name):
        return _create_version(name, force=force)
    environment = environment_of(name)
    python = python_of(name)
    if python is not None and not force:
        return python
    base = find_python(name)
    folder = environments_folder() / name
    shutil.rmtree(folder, ignore_errors=True)
    with _removed_unless_finished(folder):
        installer.make(folder, base)
        installer.install(python_in(folder), [*environment.options, *environment.packages])
        _write_record(folder, base)
    return python_in(folder)


def remove(name: str) -> bool:
    """Delete an environment; False when there was none."""
    if versions.is_versioned(name):
        found = installed(name) or (name if name in {path.name for path in _versioned()} else None)
        if found is None:
            return False
        name = found
    else:
        environment_of(name)
    folder = environments_folder() / name
    if not folder.exists():
        return False
    shutil.rmtree(folder)
    return True


def _create_version(name: str, *, force: bool) -> Path:
    """An environment for a runtime in a version, proven by letting the runtime answer there."""
    wanted = versions.parse(name)
    found = installed(name)
    python = python_of(found) if found is not None else None
    if python is not None and not force:
        return python
    base = Path(sys.executable)
    pending = environments_folder() / f".{wanted.package}-{os.getpid()}"
    shutil.rmtree(pending, ignore_errors=True)
    with _removed_unless_finished(pending):
        installer.make(pending, base)
        python = python_in(pending)
        for attempt, numpy in enumerate(_NUMPY):
            installer.install(python, [wanted.requirement, numpy])
            reason = _missing(wanted.runtime, python)
            if not reason:
                break
            if attempt == len(_NUMPY) - 1:
                raise CreationError(
                    f"{wanted.requirement} was installed and does not run here: {reason}",
                    hint="try another version",
                )
        version = _version_in(python, wanted.package)
        _write_record(
            pending, base, runtime=wanted.runtime, package=wanted.package, version=version
        )
        folder = environments_folder() / _name_for(wanted, version)
        shutil.rmtree(folder, ignore_errors=True)
        pending.replace(folder)
    return python_in(folder)


def _name_for(wanted: versions.RuntimeVersion, version: str) -> str:
    """What the environment of a version is called: as the one that it replaces, and never as one
    of another package (older versions named them after the runtime alone).
    """
    created = _created(wanted.runtime)
    for each in created:
        if (each.package, each.version) == (wanted.package, version):
            return each.name
    name = versions.environment_name(wanted.runtime, wanted.package, version)
    taken = name in {each.name for each in created}
    return f"{name}+{wanted.package}" if taken else name


def _missing(runtime: str, python: Path) -> str:
    """Why a runtime cannot be used with that Python; empty where it can."""
    from edgecnn.benchmarking.executor.job import WorkerJob
    from edgecnn.benchmarking.executor.process import run_worker
    from edgecnn.registry import RUNTIMES

    device = RUNTIMES.load(runtime).devices[0]
    outcome = run_worker(WorkerJob(runtime, device), python, timeout=120.0)
    if outcome.status != "ok":
        return outcome.error or outcome.status
    availability = outcome.loaded.get("availability", {})
    return "" if availability.get("available") else str(availability.get("reason", "no reason"))


def _version_in(python: Path, package: str) -> str:
    for line in installer.installed(python):
        name, _, version = line.partition("==")
        if name.strip().lower().replace("_", "-") == package:
            return version.strip()
        if name.lower().replace("_", "-").startswith(f"{package} @ "):  # a local file
            break
    command = [str(python), "-c", "import sys; from importlib.metadata import version; "
               "print(version(sys.argv[1]))", package]  # fmt: skip
    return installer.call(command, f"read the version of {package}").strip()


def _versioned() -> list[Path]:
    """Folders of environments of versions that were created to the end."""
    folder = environments_folder()
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if "==" in path.name and python_of(path.name))


def _created(runtime: str) -> list[_Created]:
    """The environments of a runtime's versions; those with a damaged record are left out."""
    usual = versions.known_packages()[runtime][0]
    created = []
    for path in _versioned():
        recorded = versions.recorded((path / MARKER).read_text(encoding="utf-8", errors="replace"))
        if recorded.get("runtime") == runtime:
            package, version = recorded.get("package", usual), recorded.get("version", "")
            created.append(_Created(path.name, runtime, package, version))
    return created


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(folder: Path, base: Path, **further: str) -> None:
    packages = [line for line in installer.installed(python_in(folder)) if line.strip()]
    record = {"packages": packages, "python": str(base), **further}
    (folder / MARKER).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _removed_unless_finished(folder: Path) -> Iterator[None]:
    """Makes the parent of a folder, and removes the folder again when the block fails."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise InputError(
                f"cannot write {folder}: {error.strerror}",
                hint="set EDGECNN_HOME to another folder",
            ) from error
        raise
