"""Do the shipped detectors find the same on every runtime, ncnn and MNN among them?

    python benchmarks/shipped_everywhere.py coco:../shared/data/stop_signs/rf_stopsigns210
        →   benchmarks/results/shipped_everywhere.{json,md}

The files that ship, and what `edgecnn convert NAME` makes of them for the runtimes that read
none of these, all on the same images. `stop_sign_nano` ships in int8 only: its float files hold
the real values of the same numbers. Times do not matter here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from networks import RESULTS

from edgecnn.benchmarking.protocol import resolve
from edgecnn.benchmarking.session import benchmark
from edgecnn.conversion.convert import convert
from edgecnn.data import load
from edgecnn.places import ASSETS
from edgecnn.results import Measurement

MODELS = ("stop_sign_small", "stop_sign_nano")
TARGETS = ("onnx:float32", "ncnn:float32", "ncnn:float16", "mnn:float32", "mnn:float16")
PROTOCOL = resolve("quick", min_secs=0.05, min_runs=5, max_secs=0.3, processes=1)


def measured(data: str) -> list[dict[str, Any]]:
    dataset = load(data)
    rows = []
    with tempfile.TemporaryDirectory(prefix="edgecnn-shipped-") as place:
        for model in MODELS:
            shipped = [
                path
                for path in sorted(ASSETS.glob(f"{model}*"))
                if path.suffix in (".tflite", ".onnx")
            ]
            made = []
            for outcome in convert(model, TARGETS, out=Path(place) / model, samples=4):
                if outcome.artifact is not None:
                    made.append(outcome.artifact.path)
                else:
                    rows.append(_not_made(model, str(outcome.target), outcome.error or ""))
            names = {path.name for path in shipped}
            files = [*shipped, *(path for path in made if path.name not in names)]
            results = benchmark(
                files, protocol=PROTOCOL, data=dataset, precision="strict_float32", passes=()
            )
            found = (row for row in results.measurements if row.cause != "missing")
            rows += [_row(model, row) for row in found]
    return rows


def _row(model: str, row: Measurement) -> dict[str, Any]:
    accuracy = row.accuracy
    return {
        "model": model,
        "file": row.artifact.name,
        "recipe": row.artifact.recipe,
        "runtime": f"{row.runtime}:{row.device}",
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
    lines = [
        "# The shipped detectors on every runtime",
        "",
        f"`python benchmarks/shipped_everywhere.py {data}`: AP on the same images, floats in "
        "strict float32.",
        "",
        "| model | file | runtime | AP50 | AP50-95 |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        reason = row["reason"].replace("|", "/")
        values = (
            f"{row['ap50']:.3f} | {row['ap50_95']:.3f}"
            if row["ap50"] is not None
            else f"{row['status']}: {reason} | "
        )
        lines.append(f"| {row['model']} | {row['file']} | {row['runtime']} | {values} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="as --data takes it")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    rows = measured(options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1) + "\n"
    (options.out / "shipped_everywhere.json").write_text(text, encoding="utf-8")
    (options.out / "shipped_everywhere.md").write_text(page(rows, options.data), encoding="utf-8")
    print(page(rows, options.data))


if __name__ == "__main__":
    main()
