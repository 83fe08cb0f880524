"""What can be asked for: a target is a file format and a recipe, written `format:recipe`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgecnn.errors import InputError
from edgecnn.registry import unknown_name


@dataclass(frozen=True, order=True)
class Target:
    """A file format ("tflite", "onnx") and a recipe ("float32", "static_int8" …)."""

    format: str
    recipe: str

    def __str__(self) -> str:
        return f"{self.format}:{self.recipe}"

    @property
    def needs_calibration(self) -> bool:
        """Whether activations get fixed ranges, which takes samples."""
        return self.recipe in ("static_int8", "int16x8")

    def file_name(self, model: str) -> str:
        """`<model>_<recipe>.<format>`, for ncnn's two files that of the first."""
        return f"{model}_{self.recipe}.{_ENDINGS.get(self.format, self.format)}"


_ENDINGS = {"ncnn": "ncnn.param"}
TARGETS = (
    *(
        Target("tflite", recipe)
        for recipe in ("float32", "float16", "dynamic_int8", "static_int8", "int16x8")
    ),
    *(Target("onnx", recipe) for recipe in ("float32", "float16", "dynamic_int8", "static_int8")),
    *(Target("ncnn", recipe) for recipe in ("float32", "float16", "static_int8")),
    *(Target("mnn", recipe) for recipe in ("float32", "float16", "static_int8")),
)
_OF_ALL = ("tflite", "onnx")
"""The formats of "all": the others are made from ONNX files, and for one runtime each."""
_SHORT = {f"{name}:int8": f"{name}:static_int8" for name in ("ncnn", "mnn")}


def parse_targets(wanted: str | Target | Iterable[str | Target]) -> tuple[Target, ...]:
    """Targets by name, each once and in the order asked for.

    A name is `format:recipe`, a format alone for all of its recipes, or "all" for TFLite and
    ONNX; a text may hold several, separated by commas. Raises InputError for an unknown name,
    with the nearest one.
    """
    names = [wanted] if isinstance(wanted, str | Target) else list(wanted)
    found: dict[Target, None] = {}
    for name in names:
        if isinstance(name, Target):
            found[_known(str(name))] = None
            continue
        for part in filter(None, (part.strip() for part in name.split(","))):
            for target in _expand(part):
                found[target] = None
    if not found:
        raise InputError(
            "no target to convert to",
            hint=f"known: all, {', '.join(map(str, TARGETS))}",
        )
    return tuple(found)


def _expand(name: str) -> tuple[Target, ...]:
    if name == "all":
        return tuple(target for target in TARGETS if target.format in _OF_ALL)
    of_format = tuple(target for target in TARGETS if target.format == name)
    return of_format or (_known(name),)


def _known(name: str) -> Target:
    by_name = {str(target): target for target in TARGETS}
    full = _SHORT.get(name, name)
    if full not in by_name:
        raise unknown_name("target", name, ("all", *by_name))
    return by_name[full]
