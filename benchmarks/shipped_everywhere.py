"""Do the shipped detectors find the same on every runtime, ncnn and MNN among them?

    python benchmarks/shipped_everywhere.py coco:../shared/data/stop_signs/rf_stopsigns210
        [--images N] [--missing] [--only NAMES] [--out DIR]
        →   benchmarks/results/shipped_everywhere.{json,md}

The files that ship, and what `edgecnn convert NAME` makes of them for the runtimes that read
none of these, all on the same images; and the int8 `.tflite` in TFLite Micro, whose kernels are
those of a microcontroller. `stop_sign_nano` ships in int8 only: its float files hold the real
values of the same numbers. Times do not matter here. Rows are written file by file: after an
interruption `--missing` measures what is left.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from networks import RESULTS

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.plan import Configuration
from edgecnn.benchmarking.protocol import resolve
from edgecnn.conversion.convert import convert
from edgecnn.data import load
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.calibration_holdout import subset
from edgecnn.evaluation.box_scorer import LOWEST_SCORE
from edgecnn.evaluation.detection import evaluate_detections
from edgecnn.registry import require
from edgecnn.results import Measurement
from edgecnn.runtimes.base import Session
from edgecnn.system.places import ASSETS
from edgecnn.vision import load_detector

MODELS = ("stop_sign_small", "stop_sign_nano")
TARGETS = ("onnx:float32", "ncnn:float32", "ncnn:float16", "mnn:float32", "mnn:float16")
MICRO = "tflite-micro"
ARENA = 64 << 20
PROTOCOL = resolve("quick", min_secs=0.05, min_runs=5, max_secs=0.3, processes=1)


def measured(
    model: str, dataset: Dataset, done: Collection[tuple[str, str]], folder: Path
) -> Iterator[list[dict[str, Any]]]:
    """The rows of a detector, file by file; (file, runtime) in `done` are left out."""
    files = sorted(path for path in ASSETS.glob(f"{model}*") if path.suffix in (".tflite", ".onnx"))
    names = {path.name for path in files}
    for target in TARGETS:
        (outcome,) = convert(model, target, out=folder / model, samples=4)
        if outcome.artifact is None:
            yield [_not_made(model, target, outcome.error or "")]
        elif outcome.artifact.path.name not in names:
            files.append(outcome.artifact.path)
    for path in files:

        def is_new(configuration: Configuration) -> bool:
            return (configuration.artifact.name, _runtime(configuration)) not in done

        results = benchmark(
            [path],
            protocol=PROTOCOL,
            data=dataset,
            precision="strict_float32",
            passes=(),
            wanted=is_new,
        )
        found = (row for row in results.measurements if row.cause != "missing")
        yield [_row(model, row) for row in found]
        if path.suffix == ".tflite" and (path.name, MICRO) not in done:
            yield [_on_micro(model, path, dataset)]


class _Micro:
    """TFLite Micro as what a detector runs in: one image, answers as real values."""

    def __init__(self, path: Path, like: Session) -> None:
        runtime = require("tflite_micro", "micro").runtime
        self._interpreter = runtime.Interpreter.from_file(str(path), arena_size=ARENA)
        self.inputs, self.outputs = like.inputs, like.outputs

    def run_bound(self, inputs: list[Any]) -> list[Any]:
        self._interpreter.set_input(inputs[0], 0)
        self._interpreter.invoke()
        answers = [self._interpreter.get_output(at) for at in range(len(self.outputs))]
        return [
            (answer.astype(np.float32) - spec.zero_point) * np.float32(spec.scale)
            for answer, spec in zip(answers, self.outputs, strict=True)
        ]


def _on_micro(model: str, path: Path, dataset: Any) -> dict[str, Any]:
    detector = load_detector(path, min_score=LOWEST_SCORE)
    detector.session = cast("Session", _Micro(path, detector.session))
    files = dataset.splits["test"].files
    found = [detector(np.ascontiguousarray(file.load().image[:, :, ::-1])) for file in files]
    place = detector.preprocessing.place
    scores = evaluate_detections(files, found, min_score=LOWEST_SCORE, place=place)
    return {"model": model, "file": path.name, "recipe": "static_int8", "runtime": MICRO,
            "status": "ok", "ap50_95": scores.ap50_95, "ap50": scores.ap50,
            "images": len(files), "reason": ""}  # fmt: skip


def _runtime(row: Configuration | Measurement) -> str:
    return f"{row.runtime}:{row.device}"


def first_images(dataset: Dataset, count: int | None) -> Dataset:
    """The test split's first images."""
    if count is None:
        return dataset
    split = dataset.splits["test"]
    few = subset(split, np.arange(min(count, len(split))))
    return replace(dataset, splits={**dataset.splits, "test": few})


def _row(model: str, row: Measurement) -> dict[str, Any]:
    accuracy = row.accuracy
    return {
        "model": model,
        "file": row.artifact.name,
        "recipe": row.artifact.recipe,
        "runtime": _runtime(row),
        "status": row.status,
        "ap50_95": accuracy.value if accuracy else None,
        "ap50": accuracy.further.get("ap50") if accuracy else None,
        "images": accuracy.n if accuracy else None,
        "reason": row.error or "",
    }


def _not_made(model: str, target: str, reason: str) -> dict[str, Any]:
    return {"model": model, "file": target, "recipe": target.partition(":")[2], "runtime": "",
            "status": "not made", "ap50_95": None, "ap50": None, "images": None,
            "reason": reason}  # fmt: skip


def page(rows: list[dict[str, Any]], data: str) -> str:
    counts = sorted({row["images"] for row in rows if row["images"]})
    lines = [
        "# The shipped detectors on every runtime",
        "",
        f"`python benchmarks/shipped_everywhere.py {data}`: AP on the same "
        f"{' or '.join(map(str, counts))} images, floats in strict float32.",
        "",
        "| model | file | runtime | AP50 | AP50-95 |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["ap50"] is None:
        values = (f"{row['status']}: {row['reason'].replace('|', '/')}", "")
    else:
        values = (f"{row['ap50']:.3f}", f"{row['ap50_95']:.3f}")
    return (row["model"], row["file"], row["runtime"], *values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="as --data takes it")
    parser.add_argument("--images", type=int, help="only the first of the test split")
    parser.add_argument("--only", default="", help="detectors, comma-separated; other rows stay")
    parser.add_argument("--missing", action="store_true", help="only rows not in the results yet")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    path = options.out / "shipped_everywhere.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    dataset = first_images(load(options.data), options.images)
    only = set(filter(None, options.only.split(",")))
    kept = {(row["model"], row["file"], row["runtime"]): row for row in before}
    with tempfile.TemporaryDirectory(prefix="edgecnn-shipped-") as place:
        for model in MODELS:
            if only and model not in only:
                continue
            done = [(file, runtime) for each, file, runtime in kept if each == model]
            if not options.missing:
                done = []
            for rows in measured(model, dataset, done, Path(place)):
                kept |= {(row["model"], row["file"], row["runtime"]): row for row in rows}
                found = sorted(kept.values(), key=lambda row: MODELS.index(row["model"]))
                write(found, options.data, options.out)
                for row in rows:
                    print(*_cells(row), flush=True)


def write(rows: list[dict[str, Any]], data: str, folder: Path) -> None:
    """As JSON and as a page."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1) + "\n"
    (folder / "shipped_everywhere.json").write_text(text, encoding="utf-8")
    kind, _, place = data.partition(":")
    shown = f"{kind}:…/{Path(place).name}" if place else kind  # no path of this machine
    (folder / "shipped_everywhere.md").write_text(page(rows, shown), encoding="utf-8")


if __name__ == "__main__":
    main()
