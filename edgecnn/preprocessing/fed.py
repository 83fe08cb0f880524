"""Provenance of a model's input, as recorded in manifests and results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from edgecnn.preprocessing.base import Preprocessing
from edgecnn.preprocessing.image import ImagePreprocessing
from edgecnn.preprocessing.signal import SignalPreprocessing
from edgecnn.preprocessing.span import tensor_range
from edgecnn.preprocessing.spectrogram import SpectrogramPreprocessing
from edgecnn.preprocessing.subwords import SubwordPreprocessing
from edgecnn.preprocessing.text import TextPreprocessing
from edgecnn.preprocessing.volume import VolumePreprocessing
from edgecnn.records import read_record

Source = Literal[
    "manifest", "model", "quantization", "metadata", "family", "option", "caller", "data", "unknown"
]


@dataclass(frozen=True)
class Fed:
    """What went into a model.

    `known_from` says which evidence decided, `because` the evidence in words. `values` is the
    range in words ("0…255"), `low` and `high` are its ends where it has any. `shape` and
    `layout` are those of the model's input, without the batch and with it ("NHWC").
    `conflict` names other evidence that says otherwise, `unscored` why answers to the data are not
    scored.
    """

    known_from: Source
    because: str
    values: str = ""
    low: float | None = None
    high: float | None = None
    shape: tuple[int, ...] = ()
    layout: str = ""
    conflict: str = ""
    unscored: str = ""

    @property
    def known(self) -> bool:
        """False where nothing says what the model wants: it is then not fed the data."""
        return self.known_from != "unknown"

    @property
    def sentence(self) -> str:
        """One line: range, size, layout, and from where that is known."""
        if not self.known:
            return f"not fed the data: {self.because}"
        size = f"{'×'.join(map(str, self.shape))} {self.layout}".strip()
        line = f"fed {', '.join(filter(None, (self.values, size)))}: {self.because}"
        if self.unscored:
            line = f"{line}; no accuracy: {self.unscored}"
        return f"{line}; {self.conflict}" if self.conflict else line

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fed:
        """Read what `asdict` wrote; keys that are not known are left out. Raises InputError for
        fields of another type.
        """
        return read_record(cls, values, "feeding")


def fed_with(
    preprocessing: Preprocessing,
    known_from: Source,
    because: str,
    *,
    layout: str = "",
    conflict: str = "",
) -> Fed:
    """The record of a preprocessing. `layout` is the model's own where it is not channels last."""
    low, high = tensor_range(preprocessing) or (None, None)
    return Fed(
        known_from,
        because,
        describe_values(preprocessing),
        low,
        high,
        shape=_in_layout(preprocessing.shape, layout or preprocessing.layout),
        layout=layout or preprocessing.layout,
        conflict=conflict,
    )


def in_layout(record: Fed, layout: str) -> Fed:
    """The record of a file that keeps its axes in another order (NCHW)."""
    if not layout or layout == record.layout or len(layout) != len(record.layout):
        return record
    if record.layout.endswith("C") and layout[1] == "C":
        shape = (record.shape[-1], *record.shape[:-1])
        return replace(record, shape=shape, layout=layout)
    return record


def describe_values(preprocessing: Preprocessing) -> str:
    """The values of a tensor in words: "0…255", "word ids 0…1999"."""
    if isinstance(preprocessing, TextPreprocessing | SubwordPreprocessing):
        kind = "word" if isinstance(preprocessing, TextPreprocessing) else "subword"
        return f"{kind} ids 0…{preprocessing.vocabulary_size - 1}"
    ends = tensor_range(preprocessing)
    if ends is not None:
        order = getattr(preprocessing, "order", "rgb")
        return f"{_short(ends[0])}…{_short(ends[1])}{' (BGR)' if order == 'bgr' else ''}"
    if isinstance(preprocessing, ImagePreprocessing):
        return "each image at mean 0 and deviation 1"
    if isinstance(preprocessing, SpectrogramPreprocessing):
        return "spectrograms"
    if isinstance(preprocessing, SignalPreprocessing | VolumePreprocessing):
        return _affine(preprocessing)
    return "prepared samples"


def _affine(preprocessing: SignalPreprocessing | VolumePreprocessing) -> str:
    scale, mean, std = preprocessing.scale, preprocessing.mean, preprocessing.std
    each = " each at its own level" if getattr(preprocessing, "level", "as_is") == "rms" else ""
    if scale == 1 and set(mean) == {0.0} and set(std) == {1.0}:
        return f"values as they are{each}"
    formula = "values" if scale == 1 else f"values × {_short(scale)}"
    if set(mean) != {0.0}:
        formula = f"({formula} − {_list(mean)})"
    return f"{formula}{'' if set(std) == {1.0} else f' / {_list(std)}'}{each}"


def _list(values: tuple[float, ...]) -> str:
    return _short(values[0]) if len(set(values)) == 1 else ", ".join(map(_short, values))


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _in_layout(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    return (shape[-1], *shape[:-1]) if layout[1:2] == "C" and len(layout) > 2 else shape
