"""Formats whose files are made from the float file of another format: ncnn and MNN, from ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from edgecnn.conversion.exporters import onnx_to_mnn as mnn
from edgecnn.conversion.exporters import onnx_to_ncnn as ncnn
from edgecnn.conversion.quantizers import ncnn as ncnn_quantization

Samples = Iterable[Sequence[npt.NDArray[Any]]]


@dataclass(frozen=True)
class Quantized:
    """What became of a quantization: what stayed float, and what is to be said about it."""

    kept_in_float: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Writer(Protocol):
    def __call__(self, onnx_path: Path, path: Path, *, half: bool) -> None: ...


@dataclass(frozen=True)
class Derived:
    """`write_float` makes a float file from the float file of the format `base` (with `half`,
    with float16 weights); `quantize` makes static int8 from a float32 file. `tool` and
    `quantizer` are their names, `rule` how ranges are chosen, `versions` what to record.
    """

    base: str
    tool: str
    quantizer: str
    rule: str
    versions: Callable[[], Mapping[str, str]]
    write_float: _Writer
    quantize: Callable[[Path, Path, Samples], Quantized]
    batch: int | None = None
    """The only batch that its files take; None where they take any."""


def _quantize_ncnn(float_path: Path, path: Path, samples: Samples) -> Quantized:
    return Quantized(ncnn_quantization.quantize_ncnn(float_path, path, samples))


def _quantize_mnn(float_path: Path, path: Path, samples: Samples) -> Quantized:
    counted = _Counted(samples)
    used, rule = mnn.quantize_mnn(float_path, path, counted)
    more = next(iter(counted), None) is not None
    if rule == mnn.CALIBRATION_RULE and not more and used == counted.count:
        return Quantized()
    return Quantized(notes=(f"MNN calibrated by {rule} on the first {used} samples",))


class _Counted:
    """Samples that can be asked how many were taken."""

    def __init__(self, samples: Samples) -> None:
        self._waiting = iter(samples)
        self.count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Sequence[npt.NDArray[Any]]:
        sample = next(self._waiting)
        self.count += 1
        return sample


def _versions_of_ncnn() -> dict[str, str]:
    return {"pnnx": ncnn.pnnx_version(), "ncnn": _version("ncnn")}


def _versions_of_mnn() -> dict[str, str]:
    return {"mnn": _version("mnn")}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


DERIVED: Mapping[str, Derived] = {
    "ncnn": Derived(
        base="onnx",
        tool="pnnx",
        quantizer="edgecnn",
        rule=ncnn_quantization.CALIBRATION_RULE,
        versions=_versions_of_ncnn,
        write_float=ncnn.write_float_ncnn,
        quantize=_quantize_ncnn,
        batch=1,
    ),
    "mnn": Derived(
        base="onnx",
        tool="mnnconvert",
        quantizer="mnnquant",
        rule=mnn.CALIBRATION_RULE,
        versions=_versions_of_mnn,
        write_float=mnn.write_float_mnn,
        quantize=_quantize_mnn,
    ),
}
