"""The manifest of a file before it is made, and what is read off the file afterwards."""

from __future__ import annotations

import functools
import platform
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.conversion.calibration import DrawnSamples, SampleStream
from edgecnn.conversion.exporters.derived import DERIVED
from edgecnn.conversion.exporters.tensorflow_to_onnx import OPSET
from edgecnn.conversion.sources.base import SourceModel
from edgecnn.conversion.targets import Target
from edgecnn.formats.check import read_signature
from edgecnn.isolated_environments import ISOLATED_ENVIRONMENTS, version_in
from edgecnn.manifest import Manifest, TensorSpec
from edgecnn.registry import lookup

if TYPE_CHECKING:
    from edgecnn.runtimes.base import Session

_QUANTIZERS = {"tflite": "litert-quantizer", "onnx": "onnxruntime"}
_KEPT = ("min_score",)
"""What is chosen for a model, and not measured of it: the threshold that a detector ships with."""
_RULES = {"min_max": "min/max", "percentile": "percentile 99.99", "mse": "mean squared error"}


def planned_manifest(
    target: Target,
    source: SourceModel,
    parent: Manifest,
    calibration: DrawnSamples | None,
    verification: SampleStream,
) -> Manifest:
    """All that determines a file. Two files with equal plans are the same conversion."""
    derived = DERIVED.get(target.format)
    tool, packages = source.converter(derived.base if derived else target.format)
    conversion: dict[str, Any] = {
        "target": str(target),
        "tool": f"{tool}, {derived.tool}" if derived else tool,
        "batch": _batch(target.format),
        "parent": {"name": source.name, "metrics": dict(parent.metrics), **source.record()},
        "verification": verification.record(),
    }
    if tool == "tf2onnx":
        conversion["opset"] = OPSET
    recipe = target.spec
    quantizes = not source.carries(target)
    if quantizes and recipe.weights != "float32":
        conversion["quantizer"] = (
            derived.quantizer if derived else lookup("format", target.format, _QUANTIZERS)
        )
    if quantizes and recipe.weights == "int8":
        conversion["weights"] = f"int8 per {recipe.granularity}"
    if quantizes and target.needs_calibration and calibration is not None:
        rule = derived.rule if derived else lookup("calibration", recipe.calibration, _RULES)
        conversion["calibration"] = {
            **calibration.record(),
            "rule": rule,
        }
    if target.recipe != recipe.arithmetic:
        conversion["recipe"] = {**recipe.to_dict(), "digest": recipe.digest}
    return replace(
        parent,
        model=parent.model or source.name,
        recipe=target.recipe,
        inputs=(),
        outputs=(),
        parent_sha256=source.sha256,
        metrics={name: parent.metrics[name] for name in _KEPT if name in parent.metrics},
        conversion=conversion,
        versions={
            **_versions(packages),
            **_isolated(tool),
            **(derived.versions() if derived else {}),
        },
        inferred=False,
    )


def tensor_specs(plan: Manifest, path: Path, session: Session, source: SourceModel) -> Manifest:
    """The plan with inputs and outputs as the file has them.

    A runtime reports names, dtypes and quantization; the batch that a file leaves open it has
    fixed by then, so that shapes are read from the file. Axes are called as in the model where
    they are the same ones.
    """
    inputs, outputs = session.inputs, session.outputs
    if plan.conversion["batch"] is None:
        signature = read_signature(path)
        inputs = _with_shapes(inputs, [value.shape for value in signature.inputs])
        outputs = _with_shapes(outputs, [value.shape for value in signature.outputs])
    known = {spec.name: spec for spec in source.inputs}
    inputs = tuple(_with_layout(spec, known.get(spec.name)) for spec in inputs)
    return replace(plan, inputs=inputs, outputs=outputs)


def _with_layout(spec: TensorSpec, known: TensorSpec | None) -> TensorSpec:
    """The file's input with the layout of the model's, where its sizes stand in the same order."""
    if known is None or spec.shape[1:] != known.shape[1:]:
        return spec
    return replace(spec, layout=known.layout)


def _batch(file_format: str) -> int | None:
    """The only batch that files of a format take."""
    derived = DERIVED.get(file_format)
    if derived:
        return derived.batch
    return 1 if file_format == "tflite" else None


def _with_shapes(specs: tuple[TensorSpec, ...], shapes: list[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, shape=tuple(size if isinstance(size, int) else None for size in shape))
        if shape is not None
        else spec
        for spec, shape in zip(specs, shapes, strict=True)
    )


@functools.cache
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    versions = {name: _version(name) for name in ("edgecnn", *packages)}
    return {"python": platform.python_version(), **versions}


def _isolated(tool: str) -> dict[str, str]:
    """The version of a tool that has an environment of its own."""
    return {tool: version_in(tool, tool)} if tool in ISOLATED_ENVIRONMENTS else {}


def _version(package: str) -> str:
    # onnxruntime is one of several packages that install the same module.
    names = ("onnxruntime-gpu", "onnxruntime") if package == "onnxruntime" else (package,)
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "not installed"
