"""Wheels for a board without network: what edgecnn needs there, found here for that machine.

pip downloads for another machine, but reads the conditions in a package's metadata ("only on
ARM64") with this machine's own values. So each package is downloaded by itself, and its metadata
are read with the board's values (PyPA's "Dependency specifiers").
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.boards import wheel
from edgecnn.errors import EdgeCNNError, MissingDependencyError
from edgecnn.registry import require
from edgecnn.system.places import cache_home
from edgecnn.text import shortened

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DOWNLOAD_SECS = 1_800.0
MOST_PACKAGES = 200
_FOR_PAGES = frozenset(("altair", "vl-convert-python"))
_OLDEST_GLIBC = 17
"""Wheels for glibc 2.17 ("manylinux2014") are the oldest that are made for ARM."""


class NoWheelError(EdgeCNNError):
    """A package without a wheel for a machine."""

    exit_code = 3


def collect(extras: Sequence[str], markers: Mapping[str, str], libc: tuple[str, str]) -> list[Path]:
    """The wheel files that edgecnn with these extras needs on the machine of `markers`, without
    edgecnn's own. Raises NoWheelError, MissingDependencyError without `packaging`.
    """
    require("packaging", "boards")
    from packaging.requirements import InvalidRequirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name, parse_wheel_filename

    folder = cache_home() / "wheels" / _key(markers, libc)
    folder.mkdir(parents=True, exist_ok=True)
    waiting = needed(extras, markers)
    wanted: dict[str, SpecifierSet] = {}
    known_extras: dict[str, set[str]] = {}
    paths: dict[str, Path] = {}
    while waiting:
        each = waiting.pop(0)
        name = canonicalize_name(each.name)
        if each.url:
            raise NoWheelError(f"{each.name} comes from an address of its own, not from an index")
        specifiers = wanted.get(name, SpecifierSet()) & each.specifier
        more = set(each.extras) - known_extras.get(name, set())
        path = paths.get(name)
        fits = path is not None and specifiers.contains(
            parse_wheel_filename(path.name)[1], prereleases=True
        )
        if fits and not more:
            wanted[name] = specifiers
            continue
        if path is None or not fits:
            path = _download(name, str(specifiers), markers, libc, folder)
        wanted[name], paths[name] = specifiers, path
        known_extras[name] = known_extras.get(name, set()) | set(each.extras)
        if len(paths) > MOST_PACKAGES:
            raise NoWheelError(f"more than {MOST_PACKAGES} packages are needed")
        try:
            waiting += _required(name, _metadata(path), known_extras[name], markers)
        except InvalidRequirement as error:
            raise NoWheelError(f"{path.name}: {error}") from error
    return sorted(paths.values())


def needed(extras: Iterable[str], markers: Mapping[str, str]) -> list[Requirement]:
    """What edgecnn itself asks for, with these extras, on the machine of `markers`; without what
    draws pages, which is done here.
    """
    requirements = _required("edgecnn", wheel.requirements(), extras, markers)
    return [each for each in requirements if each.name not in _FOR_PAGES]


def _required(
    own: str, lines: Sequence[str], extras: Iterable[str], markers: Mapping[str, str]
) -> Iterator[Requirement]:
    """The requirements of the package `own`, with those extras, that hold on that machine."""
    from packaging.requirements import Requirement

    known = [Requirement(line) for line in lines]
    chosen, seen = ["", *extras], set()
    while chosen:
        extra = chosen.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for each in known:
            bound = each.marker is not None and "extra" in str(each.marker)
            if bound != bool(extra):
                continue
            if each.marker is not None and not each.marker.evaluate({**markers, "extra": extra}):
                continue
            if each.name.lower() == own:  # an extra that consists of others
                chosen += each.extras
            else:
                yield each


def _download(
    name: str,
    specifiers: str,
    markers: Mapping[str, str],
    libc: tuple[str, str],
    folder: Path,
) -> Path:
    """The newest wheel of a package that fits. Raises NoWheelError."""
    version = markers.get("python_version", "")
    place = folder / name
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download",
        "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(place),
        "--implementation", "cp", "--python-version", version,
        "--abi", f"cp{version.replace('.', '')}", "--abi", "abi3", "--abi", "none",
        *(word for tag in platforms(markers, libc) for word in ("--platform", tag)),
        f"{name}{specifiers}",
    ]  # fmt: skip
    before = set(place.glob("*.whl"))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False,
            timeout=DOWNLOAD_SECS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoWheelError(f"cannot download {name}: {error}") from error
    machine = markers.get("platform_machine", "")
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        if any("No module named pip" in line for line in done.stderr.splitlines()):
            raise MissingDependencyError(
                "pip is not installed here", hint=f"{sys.executable} -m ensurepip"
            )
        nothing = any("No matching distribution" in line for line in lines)
        reason = "" if nothing or not lines else f": {shortened(lines[0], 120)}"
        raise NoWheelError(f"no wheel of {name}{specifiers} for {machine or 'it'}{reason}")
    return _newest(place, before, specifiers)


def _newest(place: Path, before: set[Path], specifiers: str) -> Path:
    from packaging.specifiers import SpecifierSet
    from packaging.utils import parse_wheel_filename

    def version(path: Path) -> Any:
        return parse_wheel_filename(path.name)[1]

    wanted = SpecifierSet(specifiers)
    fresh = set(place.glob("*.whl")) - before or before
    fitting = [path for path in fresh if wanted.contains(version(path), prereleases=True)]
    if not fitting:
        raise NoWheelError(f"pip left no wheel in {place}")
    return max(fitting, key=version)


def platforms(markers: Mapping[str, str], libc: tuple[str, str]) -> list[str]:
    """The platform tags of wheels that run there, the newest first. Raises NoWheelError."""
    machine, system = markers.get("platform_machine", ""), markers.get("platform_system", "")
    if system != "Linux" or not machine:
        raise NoWheelError(f"wheels are sent to Linux boards alone, this is {system or 'unknown'}")
    name, version = libc
    if name != "glibc":
        return [f"musllinux_1_{minor}_{machine}" for minor in (2, 1)]
    try:
        minor = int(version.split(".")[1])
    except (IndexError, ValueError):
        minor = _OLDEST_GLIBC
    oldest = 5 if machine in ("x86_64", "i686") else _OLDEST_GLIBC
    tags = [f"manylinux_2_{each}_{machine}" for each in range(minor, oldest - 1, -1)]
    tags += [f"manylinux2014_{machine}"]
    if oldest == 5:
        tags += [f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    return [*tags, f"linux_{machine}"]


def _metadata(path: Path) -> list[str]:
    """What a wheel says that it needs. Raises NoWheelError for what is not a wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            )
            text = archive.read(name).decode(errors="replace")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise NoWheelError(f"{path.name} is not a wheel") from error
    return Parser().parsestr(text, headersonly=True).get_all("Requires-Dist") or []


def _key(markers: Mapping[str, str], libc: tuple[str, str]) -> str:
    parts = (markers.get("platform_machine", ""), *libc, markers.get("python_version", ""))
    return "-".join(
        "".join(char for char in part if char.isalnum() or char in "._") for part in parts
    )
