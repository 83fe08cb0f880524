"""Statistics of a data set's samples by modality."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset
from edgecnn.preprocessing.text import tokens

Facts = dict[str, Any]
"""Numbers, and least, median and most of some, by what they are."""

FULL_SCALE = 0.999
"""Of the largest value: a recording that comes so near was cut there."""


class FactCollector(Protocol):
    """Looks at samples one at a time."""

    def add(self, split: str, sample: Any) -> None: ...

    def facts(self) -> Facts: ...


def collector_for(dataset: Dataset) -> FactCollector:
    """The one for the data set's modality."""
    kinds: Mapping[str, Callable[[Dataset], FactCollector]] = {
        "image": _Images,
        "text": _Texts,
        "signal": _Signals,
        "volume": _Volumes,
        "tensors": _Tensors,
    }
    return kinds[dataset.modality](dataset)


def spread(values: Sequence[float] | npt.NDArray[np.floating[Any]]) -> dict[str, float]:
    """Least, median and most, to 4 digits."""
    if not len(values):
        return {}
    quantiles = (np.min(values), np.median(values), np.max(values))
    return {
        name: float(f"{value:.4g}")
        for name, value in zip(("min", "median", "max"), quantiles, strict=True)
    }


class _Images:
    """Color modes: what is gray, in colors, or gray and stored as colors."""

    def __init__(self, _dataset: Dataset) -> None:
        self._modes: Counter[str] = Counter()

    def add(self, _split: str, sample: Any) -> None:
        image = np.asarray(sample)
        channels = image.shape[2] if image.ndim == 3 else 1
        mode = {1: "gray", 3: "color"}.get(channels, f"{channels} channels")
        if channels == 3 and (image[..., :2] == image[..., 1:]).all():
            mode = "gray, stored as color"
        self._modes[mode] += 1

    def facts(self) -> Facts:
        return {"modes": dict(self._modes)}


class _Texts:
    """The vocabulary of training, and how much of each split it does not know."""

    def __init__(self, dataset: Dataset) -> None:
        self._known = frozenset(dataset.preprocessing_hints.get("vocabulary", ()))
        self._words: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def add(self, split: str, sample: Any) -> None:
        words = tokens(str(sample))
        self._words[split] += len(words)
        self._unknown[split] += sum(word not in self._known for word in words)

    def facts(self) -> Facts:
        shares = {
            split: round(self._unknown[split] / words, 4)
            for split, words in self._words.items()
            if words
        }
        return {
            "words": dict(self._words),
            "vocabulary": len(self._known),
            "share of unknown words": shares,
        }


class _Signals:
    """Level (root mean square, dB of full scale) and clipping.

    Full scale is the largest whole number of the type, or 1 for fractions.
    """

    def __init__(self, _dataset: Dataset) -> None:
        self._levels = array("f")
        self._clipped = self._values = self._recordings = 0

    def add(self, _split: str, sample: Any) -> None:
        signal = np.asarray(sample)
        if not signal.size:
            return
        whole = np.issubdtype(signal.dtype, np.integer)
        full = float(np.iinfo(signal.dtype).max) if whole else 1.0
        values = signal.astype(np.float64) / full
        power = float(np.mean(np.square(values)))
        if power > 0:
            self._levels.append(10 * np.log10(power))
        clipped = int(np.count_nonzero(np.abs(values) >= FULL_SCALE))
        self._clipped += clipped
        self._recordings += clipped > 0
        self._values += signal.size

    def facts(self) -> Facts:
        return {
            "level in dBFS": spread(self._levels),
            "share of clipped values": round(self._clipped / max(1, self._values), 6),
            "recordings with clipping": self._recordings,
        }


class _Volumes:
    """How much of each is occupied: not 0."""

    def __init__(self, _dataset: Dataset) -> None:
        self._occupied = array("f")

    def add(self, _split: str, sample: Any) -> None:
        volume = np.asarray(sample)
        self._occupied.append(np.count_nonzero(volume) / max(1, volume.size))

    def facts(self) -> Facts:
        return {"share occupied": spread(self._occupied)}


class _Tensors:
    """Shape, type and range of each array."""

    def __init__(self, _dataset: Dataset) -> None:
        self._kinds: dict[str, Counter[str]] = {}
        self._ends: dict[str, tuple[float, float]] = {}

    def add(self, _split: str, sample: Any) -> None:
        for name, values in sample.items():
            self._kinds.setdefault(name, Counter())[f"{values.dtype} {values.shape}"] += 1
            if values.size and values.dtype.kind in "biuf":
                low, high = self._ends.get(name, (np.inf, -np.inf))
                self._ends[name] = (min(low, float(values.min())), max(high, float(values.max())))

    def facts(self) -> Facts:
        facts: Facts = {f"kinds of {name}": dict(kinds) for name, kinds in self._kinds.items()}
        for name, (low, high) in self._ends.items():
            facts[f"range of {name}"] = f"{low:.4g} … {high:.4g}"
        return facts
