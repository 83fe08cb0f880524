"""Search space: parameters with their ranges, and the values of the first trial.

A network declares its own space as data (`SPACE` in its module), that of the training in
`training.space`. A TOML file or `--set` changes single parameters:

    [width]
    low = 0.25
    high = 1.0
    step = 0.25

    [kernel]
    choices = [3, 5]

    [dropout]
    fixed = 0.2
"""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.files import read_text_file
from edgecnn.models.stop_sign import COARSEST_STRIDE
from edgecnn.registry import DETECTORS, MODELS, SEQUENCE_MODELS, unknown_name
from edgecnn.search.parameter import Parameter, Value, is_finite, parameter
from edgecnn.training.config import config_for
from edgecnn.training.network import input_shape
from edgecnn.training.space import MULTIPLES, config_changes, config_fields, config_space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MAX_BYTES = 1 << 20
INPUT_SIZE = "input_size"
_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>[^:]+)(?::(?P<step>[^:]+))?")
CHANGED = 1 / 3
"""How likely a variation of the first trial changes a parameter."""
_RESERVED = ("input_shape", "num_classes", "vocabulary_size", "auxiliary_heads", "epochs")
"""Decided by the data and the command, never by a space."""


@dataclass(frozen=True)
class Drawn:
    """A trial's values, sorted by who takes them."""

    network: Mapping[str, Value]
    training: Mapping[str, Any]
    input_size: int | None


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a search for `model`."""

    model: str
    parameters: tuple[Parameter, ...]

    @property
    def searched(self) -> tuple[Parameter, ...]:
        """Those with something to choose."""
        return tuple(each for each in self.parameters if not each.fixed)

    def first(self) -> dict[str, Value]:
        """The first trial's values of what is searched."""
        return {each.name: each.first for each in self.searched}

    def variation(self, rng: np.random.Generator) -> dict[str, Value]:
        """The first trial's values, about a third of them redrawn; at least one differs."""
        first = self.first()
        values = dict(first)
        while values == first:
            values = {
                each.name: each.draw(rng) if rng.random() < CHANGED else each.first
                for each in self.searched
            }
        return values

    def distributions(self) -> dict[str, BaseDistribution]:
        """What is searched, as Optuna takes it."""
        return {each.name: each.distribution for each in self.searched}

    def drawn(self, values: Mapping[str, Any]) -> Drawn:
        """`values` of a trial and the fixed ones, sorted."""
        whole = {each.name: each.first for each in self.parameters} | dict(values)
        size = whole.pop(INPUT_SIZE, None)
        own = set(network_parameters(self.model))
        network = {name: value for name, value in whole.items() if name in own}
        rest = {name: value for name, value in whole.items() if name not in own}
        return Drawn(network, config_changes(self.model, rest), None if size is None else int(size))

    def to_dict(self) -> dict[str, Any]:
        """As a space is written, for records."""
        return {each.name: each.to_dict() for each in self.parameters}


def space_for(
    model: str,
    data: Dataset,
    *,
    file: Path | None = None,
    changes: Sequence[str] = (),
) -> SearchSpace:
    """The space of a network on data, changed by a TOML file and by `name=values` texts.

    Raises InputError for parameters that neither the network nor its training has, values that
    make no range, and a space in which nothing is left to choose.
    """
    own = network_space(model)
    size = _sizes(model, data)
    raw: dict[str, Any] = {**own, **config_space(model), **size}
    names = (
        *network_parameters(model),
        *config_fields(model),
        *MULTIPLES,
        *([INPUT_SIZE] if size else []),
    )
    names = tuple(name for name in names if name not in _RESERVED)
    overrides = {**(read_file(file) if file else {}), **read_changes(changes)}
    for name, values in overrides.items():
        if name not in names:
            raise unknown_name("parameter of the space", name, dict.fromkeys(names))
        raw[name] = {**({"first": raw[name]["first"]} if name in raw else {}), **values}
    for literal, multiple in (("learning_rate", "rate"), ("weight_decay", "decay")):
        if literal in overrides and multiple not in overrides:
            raw.pop(multiple, None)
    space = SearchSpace(model, tuple(parameter(name, values) for name, values in raw.items()))
    for each in space.parameters:
        _check_kind(model, each)
    if not space.searched:
        raise InputError(
            "the space is empty: no parameter has more than one value",
            hint="widen one in the TOML file or with --set name=low..high",
        )
    return space


def _check_kind(model: str, parameter: Parameter) -> None:
    """Raise InputError for values of another kind than the network or its training takes."""
    name = parameter.name
    values = parameter.choices or (parameter.low, parameter.high)
    if name in MULTIPLES or name == INPUT_SIZE:
        bad = [each for each in values if not is_finite(each) or float(each or 0) <= 0]
        if bad:
            raise InputError(f"{name}: expected numbers above 0, received: {bad[0]!r}")
        if name == INPUT_SIZE and model in DETECTORS.builtin:
            _check_sides(model, parameter)
        return
    if name not in network_parameters(model):
        for each in values:
            config_for(model, **{name: each})
        return
    default = inspect.signature(_builder(model)).parameters[name].default
    kinds = (int, float) if isinstance(default, (int, float)) else (type(default),)
    bad = [each for each in values if not isinstance(each, kinds) or isinstance(each, bool)]
    whole = isinstance(default, int)
    bad += [each for each in values if whole and isinstance(each, float) and each % 1]
    if bad:
        raise InputError(f"{name}: {bad[0]!r} is not of the kind of the network's own {default!r}")


def _check_sides(model: str, sides: Parameter) -> None:
    """Raise InputError for a side of images that a detector of ours does not take."""
    numbers = sides.choices or (sides.low, sides.high, sides.step or 1)
    bad = [each for each in numbers if isinstance(each, (int, float)) and each % COARSEST_STRIDE]
    if bad:
        raise InputError(
            f"{model} takes images whose sides are multiples of {COARSEST_STRIDE}, received "
            f"{INPUT_SIZE}: {', '.join(map(str, sides.choices)) or f'{sides.low}..{sides.high}'}",
            hint=f"as in {INPUT_SIZE}=256,384 or {INPUT_SIZE}=192..384:{COARSEST_STRIDE}",
        )


def network_space(model: str) -> Mapping[str, Any]:
    """The space that a network declares; empty where it has none."""
    import sys

    builder = _builder(model)
    module = sys.modules[inspect.unwrap(builder).__module__]
    several = getattr(module, "SPACES", None)
    own = several.get(model) if isinstance(several, Mapping) else getattr(module, "SPACE", None)
    return own if isinstance(own, Mapping) else {}


def network_parameters(model: str) -> tuple[str, ...]:
    """The arguments of a network's build function that a space may name."""
    names = inspect.signature(_builder(model)).parameters
    return tuple(name for name in names if name not in _RESERVED)


def read_file(path: Path) -> dict[str, Any]:
    """A space's TOML file. Raises InputError for anything else."""
    try:
        tables = tomllib.loads(read_text_file(path, limit=MAX_BYTES))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML ({error})", hint="correct it") from error
    for name, values in tables.items():
        if not isinstance(values, Mapping):
            raise InputError(
                f"{path}: {name} is not a table",
                hint=f"as in [{name}] with low and high, choices, or fixed",
            )
    return tables


def read_changes(texts: Iterable[str]) -> dict[str, Any]:
    """`name=3,5,7`, `name=0.1..0.9`, `name=16..64:16`, `name=1e-4..1e-2:log`, `name=0.2`."""
    parameters: dict[str, Any] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        name, values = name.strip(), values.strip()
        if not sign or not name or not values:
            raise InputError(
                f"--set takes name=values, received: {text!r}",
                hint="as in width=0.25..1.0, kernel=3,5 or dropout=0.2",
            )
        bounds = _RANGE.fullmatch(values)
        if bounds and all(_is_number(bounds[each]) for each in ("low", "high")):
            parameters[name] = {"low": _value(bounds["low"]), "high": _value(bounds["high"])}
            if bounds["step"] == "log":
                parameters[name]["log"] = True
            elif bounds["step"]:
                parameters[name]["step"] = _value(bounds["step"])
        elif "," in values:
            parameters[name] = {
                "choices": [_value(part) for part in values.split(",") if part.strip()]
            }
        else:
            parameters[name] = {"fixed": _value(values)}
    return parameters


def _is_number(text: str) -> bool:
    return is_finite(_value(text))


def _value(text: str) -> Any:
    """A number, true, false or null as JSON writes them; any other text is itself."""
    text = text.strip()
    try:
        value = json.loads(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text
    return value if not isinstance(value, (list, dict)) else text


def _sizes(model: str, data: Dataset) -> dict[str, Any]:
    """Sides of images to choose from: half, three quarters and all of the usual one."""
    if data.modality != "image":
        return {}
    usual = _usual_side(model, data)
    smallest = int(getattr(inspect.getmodule(_builder(model)), "SMALLEST", 1))
    multiple = COARSEST_STRIDE if model in DETECTORS.names() else 4
    sides = {multiple * round(usual * share / multiple) for share in (0.5, 0.75)}
    choices = sorted({side for side in sides if smallest <= side < usual} | {usual})
    return {INPUT_SIZE: {"choices": choices, "first": usual}}


def _usual_side(model: str, data: Dataset) -> int:
    if model in DETECTORS.names():
        return int(inspect.signature(_builder(model)).parameters["input_shape"].default[0])
    return int(input_shape(model, data)[0])


def _builder(model: str) -> Any:
    if model in SEQUENCE_MODELS.names():
        raise InputError(
            f"{model} answers with sequences: a search is for classifiers and detectors",
            hint="edgecnn models lists them",
        )
    table = DETECTORS if model in DETECTORS.names() else MODELS
    return table.load(model)
