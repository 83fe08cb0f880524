"""Every network on real data, by one command each: accuracy, size, latency, memory of each file.

python benchmarks/family.py [--only resnet8,voxnet] [--data-root ../shared/data]
    →   benchmarks/results/family.json and family.md

For each task it runs `edgecnn run --quick`, which trains, converts to every target, verifies and
measures in every runtime, in runs/family/<task>/. A task that is done is not done again; what was
measured before under another name stays in the tables.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn import data
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.files import write_text_atomically
from edgecnn.manifest import read_sidecar, sha256_of

RESULTS = Path(__file__).parent / "results"
MOST_LOST = 0.01
"""Top-1 that a quantized file may lose before its row is marked."""


@dataclass(frozen=True)
class Task:
    """One network on one data set, and what must come out on two cores."""

    model: str
    data: str
    folder: str
    goal: float | None
    minutes: int
    split: str = ""
    """Of the splits that a data source offers, another than its first."""

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.model, self.data, self.split)))

    def source(self, data_root: Path) -> str:
        """The data set as `--data` takes it."""
        place = f"{self.data}:{data_root / self.folder}"
        return f"{place}?split={self.split}" if self.split else place

    def command(self, data_root: Path, out: Path) -> list[str]:
        """`edgecnn run` with the defaults that edgecnn has for this network."""
        place = ["--data", self.source(data_root)]
        return ["run", "--model", self.model, *place, "--quick", "--out", str(out)]


TASKS = (
    Task("lenet5", "mnist", "mnist", 0.99, 5),
    Task("simple", "cifar10", "cifar10_small", None, 30),
    Task("resnet8", "cifar10", "cifar10_small", None, 30),
    Task("alexnet", "gtsrb", "gtsrb_small", 0.92, 30),
    Task("googlenet", "gtsrb", "gtsrb_small", 0.92, 30),
    Task("resnet18", "gtsrb", "gtsrb_small", 0.92, 30),
    Task("textcnn", "text", "rt_polarity", 0.75, 10),
    Task("cnn1d", "spoken-digits", "spoken_digits_1d", 0.95, 10),
    Task("cnn1d", "spoken-digits", "spoken_digits_1d", 0.95, 10, split="takes"),
    Task("voxnet", "voxels", "voxels", 0.85, 15),
)


def main() -> None:
    """Run what is asked for and not done, then write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="networks or tasks, comma-separated")
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/family"))
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    tasks = [task for task in TASKS if not only or {task.model, task.name} & only]
    for task in tasks:
        folder = arguments.out / task.name
        command = task.command(arguments.data_root, folder)
        print(f"edgecnn {shlex.join(command)}", flush=True)
        done = subprocess.run([Path(sys.executable).with_name("edgecnn"), *command], check=False)
        if done.returncode:
            print(f"{task.name}: exit {done.returncode}, left out", flush=True)
            continue
        _write(task, _outcome(task, folder, command, arguments.data_root))


def _outcome(task: Task, folder: Path, command: list[str], data_root: Path) -> dict[str, Any]:
    """What the tables say of one task: training, and one row for each file and runtime."""
    model = folder / f"{task.model}.keras"
    manifest = read_sidecar(model, sha256_of(model))
    assert manifest is not None
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    training = manifest.training
    return {
        "task": task.name,
        "goal": task.goal,
        "minutes_allowed": task.minutes,
        "command": f"edgecnn {shlex.join(command)}",
        "cpu": results["environment"]["machine"]["cpu_model"],
        "data": dict(manifest.data),
        "input": list(manifest.inputs[0].shape[1:]),
        "parameters": training["parameters"],
        "training_seconds": training["seconds"],
        "epochs": training["epochs_run"],
        "recipe": {name: value for name, value in training.items() if name not in _NOT_RECIPE},
        "metrics": dict(manifest.metrics),
        "rows": [_row(row) for row in results["measurements"]],
        "layers_that_cost_it": _costly_layers(task, folder, results, data_root),
    }


def _costly_layers(
    task: Task, folder: Path, results: dict[str, Any], data_root: Path
) -> dict[str, list[str]]:
    """For each static int8 file that lost too much in some runtime: its three costliest layers."""
    files = {
        row["artifact"]["name"]
        for row in results["measurements"]
        if row["artifact"]["recipe"] == "static_int8" and _lost(row["accuracy"]) > MOST_LOST
    }
    if not files:
        return {}
    dataset = data.load(task.source(data_root))
    lines = {}
    for name in sorted(files):
        found = verify_artifact(folder / "artifacts" / name, dataset=dataset, layers=True)
        lines[name] = [
            f"{layer.name} ({layer.operator}): {layer.share:.0%} of the noise"
            for layer in found.layers[:3]
        ]
    return lines


def _lost(accuracy: dict[str, Any] | None) -> float:
    if not accuracy or accuracy.get("parent_value") is None:
        return 0.0
    return float(accuracy["parent_value"] - accuracy["value"])


_NOT_RECIPE = ("history", "seconds", "epochs_run", "parameters")


def _row(measured: dict[str, Any]) -> dict[str, Any]:
    accuracy = measured["accuracy"] or {}
    latency = measured["latency_ms"] or {}
    return {
        "file": measured["artifact"]["name"],
        "recipe": measured["artifact"]["recipe"],
        "size_bytes": measured["artifact"]["size_bytes"],
        "runtime": ":".join(filter(None, (measured["runtime"], measured["device"]))),
        "executed": (measured["effective"] or {}).get("precision"),
        "accuracy": accuracy.get("value"),
        "accuracy_ci95": accuracy.get("ci95"),
        "accuracy_n": accuracy.get("n"),
        "p50_ms": latency.get("p50"),
        "p90_ms": latency.get("p90"),
        "peak_rss_bytes": (measured["memory"] or {}).get("peak_rss_bytes"),
        "status": measured["status"],
        "verdict": measured["verdict"],
        "reasons": measured["reasons"],
        "error": measured["error"],
        "hint": measured["hint"],
    }


def _write(task: Task, outcome: dict[str, Any]) -> None:
    """Add one outcome to those that are there, and draw the tables again."""
    path = RESULTS / "family.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[task.name] = outcome
    ordered = {each.name: known[each.name] for each in TASKS if each.name in known}
    write_text_atomically(path, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    write_text_atomically(RESULTS / "family.md", _page(list(ordered.values())))


def _page(outcomes: list[dict[str, Any]]) -> str:
    summary = [
        "# Every network on real data",
        "",
        "Top-1 on the test split; `edgecnn run --quick` on two cores, one thread a row.",
        "Fastest: of the rows called VALID that lose at most one point against the float model.",
        "",
        "| Network, data | Parameters | Trained | Float top-1 [95%] | Goal | static int8 (TFLite) "
        "| Fastest |",
        "|---|---|---|---|---|---|---|",
        *(_summary_line(outcome) for outcome in outcomes),
        "",
    ]
    return "\n".join(summary + [line for outcome in outcomes for line in _section(outcome)])


def _summary_line(outcome: dict[str, Any]) -> str:
    rows = outcome["rows"]
    floats = next((row for row in rows if row["file"].endswith(".keras") and row["accuracy"]), None)
    value = outcome["metrics"]["test_accuracy"]
    interval = (
        " [{:.1%}, {:.1%}], n {:,}".format(*floats["accuracy_ci95"], floats["accuracy_n"])
        if floats and floats["accuracy_ci95"]
        else ""
    )
    goal = outcome["goal"]
    reached = "–" if goal is None else f"≥ {goal:.0%}: {'yes' if value >= goal else '**no**'}"
    return (
        f"| {outcome['task']} | {outcome['parameters']:,} "
        f"| {outcome['training_seconds'] / 60:.1f} of {outcome['minutes_allowed']} min "
        f"| {value:.2%}{interval} | {reached} | {_int8(rows, value)} | {_fastest(rows, value)} |"
    )


def _int8(rows: list[dict[str, Any]], parent: float) -> str:
    accuracies = [
        row["accuracy"]
        for row in rows
        if row["recipe"] == "static_int8" and row["file"].endswith(".tflite") and row["accuracy"]
    ]
    if not accuracies:
        return "none"
    lost = parent - accuracies[0]
    return f"{accuracies[0]:.2%} ({-lost:+.2%})" + (" **marked**" if lost > MOST_LOST else "")


def _fastest(rows: list[dict[str, Any]], parent: float) -> str:
    fit = [
        row
        for row in rows
        if row["verdict"] == "VALID"
        and row["p50_ms"]
        and row["accuracy"] is not None
        and parent - row["accuracy"] <= MOST_LOST
    ]
    if not fit:
        return "no row is VALID"
    best = min(fit, key=lambda row: row["p50_ms"])
    return f"{best['file']} in {best['runtime']}: {best['p50_ms']:.3g} ms"


def _section(outcome: dict[str, Any]) -> list[str]:
    samples = ", ".join(f"{count:,} {name}" for name, count in outcome["data"]["samples"].items())
    measured = [row for row in outcome["rows"] if row["status"] == "ok"]
    others = [row for row in outcome["rows"] if row["status"] != "ok"]
    parent = outcome["metrics"]["test_accuracy"]
    return [
        f"## {outcome['task']}",
        "",
        f"`{outcome['command']}`",
        "",
        f"Input {outcome['input']}; {samples}; {outcome['epochs']} epochs; {outcome['cpu']}.",
        "",
        "| File | Size | Runtime (executed) | Top-1 | p50 ms | p90 ms | Peak MB | Verdict |",
        "|---|---|---|---|---|---|---|---|",
        *(_row_line(row, parent) for row in measured),
        "",
        *(
            f"▼ {name} loses more than a point; most of it in {'; '.join(layers)}."
            for name, layers in outcome["layers_that_cost_it"].items()
        ),
        *([""] if outcome["layers_that_cost_it"] else []),
        *(["Rows that were not measured:", ""] if others else []),
        *_reasons(others),
        *([""] if others else []),
    ]


def _row_line(row: dict[str, Any], parent: float) -> str:
    lost = None if row["accuracy"] is None else parent - row["accuracy"]
    top1 = "–" if lost is None else f"{row['accuracy']:.2%}{' ▼' if lost > MOST_LOST else ''}"
    return (
        f"| {row['file']} | {row['size_bytes'] / 1e3:,.0f} kB "
        f"| {row['runtime']} ({row['executed']}) | {top1} "
        f"| {_ms(row['p50_ms'])} | {_ms(row['p90_ms'])} "
        f"| {(row['peak_rss_bytes'] or 0) / 1e6:.0f} | {row['verdict']} |"
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _reasons(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each reason, with the files that it holds for."""
    files: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        error = row["error"].removeprefix(f"{row['file']}: ")
        key = (row["runtime"], row["status"], error, row["hint"] or "")
        files.setdefault(key, []).append(row["file"])
    return [
        f"- {f'{runtime}: ' if runtime else ''}{', '.join(dict.fromkeys(names))}: {status}, {error}"
        + (f"; {hint}" if hint else "")
        for (runtime, status, error, hint), names in sorted(files.items())
    ]


if __name__ == "__main__":
    main()
