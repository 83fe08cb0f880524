"""Conversion targets: a file format and a recipe, written `format:recipe`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.conversion.recipe import PRESETS, Recipe, read_recipe
from edgecnn.errors import InputError
from edgecnn.formats.recipes import MADE
from edgecnn.registry import lookup, unknown_name


@dataclass(frozen=True, order=True)
class Target:
    """A file format ("tflite", "onnx") and the name of a recipe ("float32", "static_int8" …).

    `custom` is the recipe itself where the name is not a preset's: the name then holds its digest.
    """

    format: str
    recipe: str
    custom: Recipe | None = field(default=None, compare=False)

    @classmethod
    def of(cls, file_format: str, recipe: Recipe) -> Target:
        """The target that makes `recipe`."""
        name = recipe.name
        return cls(file_format, name, None if name in PRESETS else recipe)

    def __str__(self) -> str:
        return f"{self.format}:{self.recipe}"

    @property
    def spec(self) -> Recipe:
        """What the recipe's name stands for. Raises InputError for a name that nobody knows."""
        return self.custom or lookup("recipe", self.recipe, PRESETS)

    @property
    def needs_calibration(self) -> bool:
        """Whether it takes samples: for ranges of activations, or for the inputs of layers."""
        return self.spec.samples_wanted

    def file_name(self, model: str) -> str:
        """`<model>_<recipe>.<format>`, for ncnn's two files that of the first."""
        return f"{model}_{self.recipe}.{_ENDINGS.get(self.format, self.format)}"


_ENDINGS = {"ncnn": "ncnn.param"}
TARGETS = (
    *(Target("tflite", recipe) for recipe in MADE),
    *(Target("onnx", recipe) for recipe in ("float32", "float16", "dynamic_int8", "static_int8")),
    *(Target("ncnn", recipe) for recipe in ("float32", "float16", "static_int8")),
    *(Target("mnn", recipe) for recipe in ("float32", "float16", "static_int8")),
)
_OF_ALL = ("tflite", "onnx")
"""The formats of "all", of which every recipe is made here; the others are made from ONNX files,
by a tool and for a runtime each.
"""
_SHORT = {f"{name}:int8": f"{name}:static_int8" for name in ("ncnn", "mnn")}

FORMATS_WITH = {
    name: tuple(target.recipe for target in TARGETS if target.format == name)
    for name in dict.fromkeys(target.format for target in TARGETS)
}
"""The arithmetic that each format has."""

_FURTHER = tuple(
    Target(name, preset)
    for name in _OF_ALL
    for preset, recipe in PRESETS.items()
    if recipe.arithmetic in FORMATS_WITH[name] and preset not in FORMATS_WITH[name]
)
"""Presets that are made when they are named."""


def has_every_recipe(file_format: str) -> bool:
    """Whether ranges, weights and single layers of a format's files can be chosen here."""
    return file_format in _OF_ALL


def parse_targets(wanted: str | Target | Iterable[str | Target]) -> tuple[Target, ...]:
    """Targets by name, each once and in the order asked for.

    A name is `format:recipe`, where the recipe is a preset or a JSON file that holds one
    (`tflite:mine.json`), a format alone for all of its usual recipes, or "all" for TFLite and
    ONNX; a text may hold several, separated by commas. Raises InputError for an unknown name,
    with the nearest one.
    """
    names = [wanted] if isinstance(wanted, str | Target) else list(wanted)
    targets: dict[Target, None] = {}
    for name in names:
        if isinstance(name, Target):
            targets[name if name.custom else _known(str(name))] = None
            continue
        for part in filter(None, (part.strip() for part in name.split(","))):
            for target in _expand(part):
                targets[target] = None
    if not targets:
        raise InputError(
            "no target to convert to",
            hint=f"known: all, {', '.join(map(str, TARGETS))}",
        )
    return tuple(targets)


def check_format(file_format: str, recipe: Recipe) -> None:
    """Raise InputError where no file of this format holds such a recipe."""
    known = FORMATS_WITH.get(file_format)
    if known is None:
        raise unknown_name("format to convert to", file_format, FORMATS_WITH)
    if not has_every_recipe(file_format) and recipe.name not in known:
        raise InputError(
            f"{file_format} files are made by a tool that does not take custom recipes",
            hint=f"known: {', '.join(known)}",
        )
    if recipe.arithmetic not in known:
        raise InputError(
            f"{file_format} files have no {recipe.arithmetic}", hint=f"known: {', '.join(known)}"
        )


def _expand(name: str) -> tuple[Target, ...]:
    if name == "all":
        return tuple(target for target in TARGETS if target.format in _OF_ALL)
    of_format = tuple(target for target in TARGETS if target.format == name)
    if of_format:
        return of_format
    file_format, _, recipe = name.partition(":")
    if recipe.endswith(".json"):
        read = read_recipe(Path(recipe))
        check_format(file_format, read)
        return (Target.of(file_format, read),)
    return (_known(name),)


def _known(name: str) -> Target:
    by_name = {str(target): target for target in (*TARGETS, *_FURTHER)}
    full = _SHORT.get(name, name)
    if full not in by_name:
        raise unknown_name("target", name, ("all", *by_name))
    return by_name[full]
