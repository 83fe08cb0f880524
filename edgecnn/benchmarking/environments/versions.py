"""A runtime in another version than the installed one: "onnxruntime==1.23.2:cpu".

Each version lives in an isolated environment named by it. A row that was measured there says so in
its runtime's name, and stands in one table with the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from edgecnn.errors import InputError
from edgecnn.registry import RUNTIMES, unknown_name

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\d[0-9A-Za-z.!+_-]*(?:\.\*)?)")
_NUMBERS = re.compile(r"(\d+(?:\.\d+)*)(?:\.post(\d+))?")
PACKAGES = {
    "litert": ("ai-edge-litert",),
    "tflite-runtime": ("tflite-runtime",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "opencv": ("opencv-python-headless", "opencv-python"),
    "ncnn": ("ncnn",),
    "mnn": ("mnn",),
    "keras": ("tensorflow",),
}
"""The packages that bring a runtime, the one that is meant by the runtime's name first."""


@dataclass(frozen=True)
class RuntimeVersion:
    """A runtime in a version: exact ("1.23.2") or a pattern ("1.23.*")."""

    runtime: str
    package: str
    version: str

    @property
    def exact(self) -> bool:
        """Whether it names one version."""
        return not self.version.endswith("*")

    def accepts(self, version: str) -> bool:
        """Whether a version fits; 1.23 is 1.23.0 (PEP 440), whatever was built of it."""
        if self.exact:
            number, _, build = self.version.partition("+")
            if build and version.partition("+")[2] != build:
                return False
            key = order(number)
            return version == self.version or (key is not None and order(version) == key)
        return version.startswith(self.version[:-1]) or version == self.version[:-2]

    @property
    def requirement(self) -> str:
        """What is installed, as in "ai-edge-litert==2.1.*"."""
        return f"{self.package}=={self.version}"


def is_versioned(name: str) -> bool:
    """Whether a name asks for a version."""
    return "==" in name


def parse(name: str) -> RuntimeVersion:
    """What "onnxruntime==1.23.*" asks for; the name is a package's or a runtime's. A version may
    end in the package ("onnxruntime==1.23.2+onnxruntime-gpu", see `environment_name`).

    Raises InputError for anything else, and for a package that brings no runtime.
    """
    match = _REQUIREMENT.fullmatch(name.strip())
    if match is None:
        raise InputError(
            f"expected PACKAGE==VERSION, received: {name[:80]}", hint="as in onnxruntime==1.23.*"
        )
    package_name, version = match.groups()
    for runtime, packages in known_packages().items():
        number, _, package = version.rpartition("+")
        if package_name == runtime and number and package in packages:
            return RuntimeVersion(runtime, package, number)
        if package_name == runtime and package_name not in packages:
            return RuntimeVersion(runtime, packages[0], version)
        if package_name.lower().replace("_", "-") in packages:
            return RuntimeVersion(runtime, package_name.lower().replace("_", "-"), version)
    names = [package for packages in known_packages().values() for package in packages]
    raise unknown_name("package of a runtime", package_name, names)


def known_packages() -> dict[str, tuple[str, ...]]:
    """Packages by runtime: those of edgecnn's own, and the one that each plug-in came in."""
    packages = dict(PACKAGES)
    for point in entry_points(group=RUNTIMES.entry_point_group):
        if point.name not in packages and point.dist is not None:
            packages[point.name] = (point.dist.name.lower().replace("_", "-"),)
    return packages


def environment_name(runtime: str, package: str, version: str) -> str:
    """What an environment is called: by runtime and version, and by the package where it is not
    the one that the runtime's name stands for.
    """
    usual = known_packages().get(runtime, (package,))[0]
    return f"{runtime}=={version}" + (f"+{package}" if package != usual else "")


def order(version: str) -> tuple[tuple[int, ...], int] | None:
    """What versions are sorted by: the release's numbers, then a post release's.

    None for what is not a final release (1.24.0rc1, 1.24.0.dev3).
    """
    match = _NUMBERS.fullmatch(version.partition("+")[0])
    if match is None:
        return None
    numbers = [int(part) for part in match.group(1).split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), int(match.group(2) or 0)


def between(versions: Sequence[str], first: str, last: str) -> list[str]:
    """Final releases from `first` to `last`, both included, the oldest first.

    Raises InputError where one of them is not among `versions`, or they stand the other way round.
    """
    keyed = {key: version for version in versions if (key := order(version)) is not None}
    ends = []
    for wanted in (first, last):
        key = order(wanted)
        if key is None or key not in keyed:
            near = [version for _, version in sorted(keyed.items())][-10:]
            raise InputError(
                f"there is no version {wanted[:40]}", hint=f"the newest: {', '.join(near)}"
            )
        ends.append(key)
    if not ends[0] < ends[1]:
        raise InputError(f"{first} is not older than {last}", hint="swap --good and --bad?")
    return [version for key, version in sorted(keyed.items()) if ends[0] <= key <= ends[1]]


def recorded(text: str) -> dict[str, str]:
    """What an environment's own file says of the runtime in it; empty for a damaged one."""
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(record, dict):
        return {}
    return {name: str(record[name]) for name in ("runtime", "package", "version") if name in record}
