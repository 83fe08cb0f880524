"""A parameter of a search: its choices or its range, drawn from and read from what a space says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.registry import unknown_name

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str | None
MOST_CHOICES = 1_000
_KEYS = ("low", "high", "step", "log", "choices", "fixed", "first")


@dataclass(frozen=True)
class Parameter:
    """One of several `choices`, or a number from `low` to `high`; `first` is the first trial's.

    Whole numbers stay whole. `log` draws on a logarithmic scale.
    """

    name: str
    first: Value
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether a range is of whole numbers."""
        numbers = (self.low, self.high, *(() if self.step is None else (self.step,)))
        return not self.choices and all(isinstance(each, int) for each in numbers)

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.choices) == 1 if self.choices else self.low == self.high

    def draw(self, rng: np.random.Generator) -> Value:
        """One of the choices, or a number of the range, each as likely as any other."""
        if self.choices:
            return self.choices[int(rng.integers(len(self.choices)))]
        if self.step is not None or (self.whole and not self.log):
            step = 1 if self.step is None else self.step
            steps = int(rng.integers(math.floor((self.high - self.low) / step + 1e-9) + 1))
            value = self.low + step * steps
        elif self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return round(value) if self.whole else round(float(value), 12)

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna takes it."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return distributions.IntDistribution(int(self.low), int(self.high), self.log, step)
        return distributions.FloatDistribution(self.low, self.high, self.log, self.step)

    def to_dict(self) -> dict[str, Any]:
        """As a space is written."""
        if self.choices:
            return {"choices": list(self.choices), "first": self.first}
        document: dict[str, Any] = {"low": self.low, "high": self.high, "first": self.first}
        if self.step is not None:
            document["step"] = self.step
        return {**document, "log": True} if self.log else document


def parameter(name: str, values: Mapping[str, Any]) -> Parameter:
    """A parameter as a space writes it; the first trial's value is moved into the range.

    Raises InputError for keys, types and ranges that make no sense.
    """
    for key in values:
        if key not in _KEYS:
            raise unknown_name(f"key of {name}", str(key), _KEYS)
    forms = [key for key in ("choices", "fixed", "low") if key in values]
    if len(forms) != 1 or ("high" in values) != ("low" in values):
        raise InputError(
            f"{name}: expected choices, fixed, or low with high, received: "
            f"{', '.join(values) or 'nothing'}"
        )
    if "fixed" in values:
        _check(name, values["fixed"])
        return Parameter(name, values["fixed"], (values["fixed"],))
    if "choices" in values:
        return _choice(name, values)
    return _range(name, values)


def _choice(name: str, values: Mapping[str, Any]) -> Parameter:
    choices = values["choices"]
    if not isinstance(choices, (list, tuple)) or not 0 < len(choices) <= MOST_CHOICES:
        raise InputError(f"{name}: expected a list of choices that is not empty")
    for each in choices:
        _check(name, each)
    distinct = tuple(dict.fromkeys(choices))
    first = values.get("first")
    if first in distinct:
        return Parameter(name, first, distinct)
    near = distinct[0]
    if is_finite(first) and all(map(is_finite, distinct)):
        near = min(distinct, key=lambda each: abs(each - first))
    return Parameter(name, near, distinct)


def _range(name: str, values: Mapping[str, Any]) -> Parameter:
    low, high, step = values["low"], values["high"], values.get("step")
    log = values.get("log", False)
    numbers = [low, high, *([] if step is None else [step])]
    if not isinstance(log, bool) or not all(map(is_finite, numbers)):
        raise InputError(f"{name}: low, high and step are numbers, log is true or false")
    if low > high:
        raise InputError(f"{name}: no number lies between {low:g} and {high:g}", hint="swap them")
    if step is not None and step <= 0:
        raise InputError(f"{name}: a step is above 0, received: {step:g}")
    if log and (low <= 0 or step is not None):
        raise InputError(f"{name}: a logarithmic range begins above 0 and has no step")
    if not all(isinstance(each, int) for each in numbers):
        low, high = float(low), float(high)
        step = None if step is None else float(step)
    if step is not None:
        high = low + math.floor((high - low) / step + 1e-9) * step
        high = high if isinstance(high, int) else round(high, 12)
    first = values.get("first", low)
    if not is_finite(first):
        raise InputError(f"{name}: first is a number, received: {first!r}")
    first = min(max(first, low), high)
    if step is not None:
        first = low + round((first - low) / step) * step
    first = round(first) if isinstance(low, int) else round(float(first), 12)
    return Parameter(name, first, (), low, high, step, log)


def _check(name: str, value: Any) -> None:
    if not (value is None or isinstance(value, (bool, str)) or is_finite(value)):
        raise InputError(f"{name}: a value is a number, a text or true/false, received: {value!r}")


def is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
