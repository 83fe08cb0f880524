"""Does a 95% interval hold the truth in 95 of 100 runs, and is a difference one?

`record` repeats `edgecnn benchmark` on LeNet-5, MobileNetV2 and ResNet-18 over at least half an
hour, in both profiles, and keeps every results file in runs/benchmarks/coverage/. `report` judges
them with the functions that the report and `edgecnn compare` use:

- coverage: how often a row's interval holds the median of all process medians of that row
- A/A: how often two runs of one command, or two copies of one file in one run, are called different
- planted: how often the same rows are called different once one side is 3% slower (its samples
  multiplied by 1.03)
- fastest: how far the row that is called fastest is from the one that is

    python benchmarks/coverage.py record --minutes 45
    python benchmarks/coverage.py report
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import networks

from edgecnn.analysis.compare import compare
from edgecnn.results import Measurement, Results
from edgecnn.statistics.ratios import paired

KEPT = networks.HERE.parent / "runs" / "benchmarks" / "coverage"
REPORT = networks.RESULTS / "coverage.json"
COPIES = ("lenet5_a", "lenet5_b")
"""Two copies of one file: whatever differs between their rows is not the network."""
PLANTED = 1.03
ROUNDS = 20
"""Rounds of two LeNet-5 rows that take well under two minutes."""


def files(names: Sequence[str]) -> list[Path]:
    """float32 files by "network.format"; lenet5_a and lenet5_b are copies of LeNet-5's .tflite."""
    found = []
    for name in names:
        net, _, kind = name.partition(".")
        original = networks.model_file(net.split("_")[0], kind, "float32")
        path = original
        if net in COPIES:
            path = KEPT / f"{net}.{kind}"
            shutil.copyfile(original, path)
        found.append(path)
    return found


SETS = {
    "lenet5": (
        "quick",
        ("lenet5_a.tflite", "lenet5_b.tflite", "lenet5.onnx"),
        "litert,onnxruntime",
    ),
    "mobilenetv2": ("quick", ("mobilenetv2.tflite", "mobilenetv2.onnx"), "all"),
    "resnet18": ("quick", ("resnet18.tflite", "resnet18.onnx"), "all"),
    "default": ("default", ("lenet5.onnx", "mobilenetv2.tflite", "resnet18.onnx"), "all"),
}
"""Profile, files, and runtimes ("all": LiteRT, ONNX Runtime and OpenVINO)."""
EVERY = {"lenet5": 1, "mobilenetv2": 6, "resnet18": 6, "default": 15}
FIRST = {"lenet5": 0, "mobilenetv2": 1, "resnet18": 4, "default": 8}


def run_once(name: str, number: int, prefix: Sequence[str]) -> None:
    profile, names, runtimes = SETS[name]
    artifacts = [str(path) for path in files(names)]
    chosen = "litert,onnxruntime,openvino" if runtimes == "all" else runtimes
    edgecnn = str(Path(sys.executable).with_name("edgecnn"))
    command = [
        *prefix, edgecnn, "benchmark", *artifacts, "--profile", profile, "--force",
        "--runtimes", ",".join(f"{runtime}:cpu" for runtime in chosen.split(",")),
        "--out", str(KEPT / f"{name}-{number:03}.json"),
    ]  # fmt: skip
    subprocess.run(command, check=False, capture_output=True)


def record(minutes: float, pause_secs: float, prefix: Sequence[str]) -> None:
    """Repeat the commands until the time is over, after the runs that are there."""
    KEPT.mkdir(parents=True, exist_ok=True)
    done = {name: len(list(KEPT.glob(f"{name}-*.json"))) for name in SETS}
    deadline = time.monotonic() + 60 * minutes
    for turn in itertools.count():
        for name, every in EVERY.items():
            if turn % every == FIRST[name] and time.monotonic() < deadline:
                run_once(name, done[name], prefix)
                done[name] += 1
                print(time.strftime("%T"), name, done[name], flush=True)
        if time.monotonic() > deadline:
            return
        time.sleep(pause_secs)


def load(name: str) -> list[Results]:
    return [Results.load(path) for path in sorted(KEPT.glob(f"{name}-*.json"))]


def rows_of(runs: Sequence[Results]) -> dict[str, list[Measurement]]:
    found = defaultdict(list)
    for run in runs:
        for row in run.measurements:
            if row.status == "ok" and row.latency:
                found[f"{row.artifact.name} on {row.configuration}"].append(row)
    return dict(found)


def coverage(rows: Sequence[Measurement]) -> dict[str, Any]:
    """How the intervals of one row over many runs stand to the median of all process medians."""
    medians = [value for row in rows for value in row.round_medians_ms.values()]
    truth = median(medians) if medians else float("nan")
    known = [row for row in rows if row.latency.ci95]
    held = [row.latency.ci95[0] <= truth <= row.latency.ci95[1] for row in known]
    valid = [hit for row, hit in zip(known, held, strict=True) if row.verdict == "VALID"]
    pairs = list(itertools.combinations([row.latency.ci95 for row in known], 2))
    overlap = [a[0] <= b[1] and b[0] <= a[1] for a, b in pairs]
    return {
        "runs": len(rows),
        "truth_ms": truth if medians else None,
        "p50_ms": [min(row.latency.p50 for row in rows), max(row.latency.p50 for row in rows)],
        "contended_share": fmean(row.contention.share for row in rows if row.contention),
        "processes": fmean(len(row.runs) for row in rows),
        "half_width": fmean(row.relative_spread for row in known) if known else None,
        "holds_truth": [sum(held), len(held)],
        "valid_holds_truth": [sum(valid), len(valid)],
        "pairs_overlap": [sum(overlap), len(overlap)],
    }


def between_runs(runs: Sequence[Results]) -> dict[str, Any]:
    """`edgecnn compare` on pairs of runs of one command, as they are and with one side slower."""
    pairs = list(itertools.combinations(range(len(runs)), 2))
    random.Random(0).shuffle(pairs)
    called = rows = regressions = found = planted_rows = 0
    for first, second in pairs[:500]:
        same = compare(runs[first], runs[second])
        called += sum(change.outcome in ("better", "worse") for change in same.changes)
        rows += len(same.changes)
        regressions += same.regressed
    for first, second in pairs[:100]:
        slower = compare(runs[first], slowed(runs[second]), threshold=0.0)
        found += sum(change.outcome == "worse" for change in slower.changes)
        planted_rows += len(slower.changes)
    return {
        "pairs_of_runs": len(pairs[:500]),
        "rows_called_different": [called, rows],
        "runs_called_a_regression": [regressions, len(pairs[:500])],
        "planted_3_percent_called": [found, planted_rows],
    }


def slowed(results: Results) -> Results:
    """The same results with every sample 3% longer."""
    rows = tuple(
        replace(
            row,
            runs=tuple(
                replace(run, samples_ns=tuple(round(PLANTED * ns) for ns in run.samples_ns))
                for run in row.runs
            ),
        )
        for row in results.measurements
    )
    return replace(results, measurements=rows)


def within_runs(runs: Sequence[Results]) -> dict[str, Any]:
    """Two copies of one file, round by round: as they are, and one of them 3% slower.

    `rounds` consecutive rounds stand for a run of that length.
    """
    rounds = list(rounds_of_copies(runs))
    windows = [rounds[start : start + ROUNDS] for start in range(len(rounds) - ROUNDS + 1)]
    random.Random(0).shuffle(windows)
    called = found = 0
    for window in windows[:500]:
        first, second = (dict(enumerate(column)) for column in zip(*window, strict=True))
        ratio = paired(first, second)
        called += bool(ratio and ratio.differs())
    for window in windows[:100]:
        first, second = (dict(enumerate(column)) for column in zip(*window, strict=True))
        ratio = paired(first, {number: PLANTED * value for number, value in second.items()})
        found += bool(ratio and ratio.differs() and ratio.value > 1)
    return {
        "rounds": len(rounds),
        "rounds_of_a_run": ROUNDS,
        "called_different": [called, len(windows[:500])],
        "planted_3_percent_called": [found, len(windows[:100])],
    }


def rounds_of_copies(runs: Sequence[Results]) -> Iterator[tuple[float, float]]:
    for run in runs:
        columns = [
            row.round_medians_ms
            for row in run.measurements
            if row.artifact.name.startswith(COPIES) and row.configuration == "litert:cpu"
        ]
        if len(columns) == 2:
            first, second = columns
            yield from ((first[key], second[key]) for key in sorted(first.keys() & second.keys()))


def fastest(runs: Sequence[Results], truths: dict[str, float]) -> dict[str, Any]:
    """How much slower than the true fastest the row is that has the least p50 in a run."""
    losses = []
    for run in runs:
        named = {f"{row.artifact.name} on {row.configuration}": row for row in run.measurements}
        measured = {
            name: row.latency.p50
            for name, row in named.items()
            if row.latency and row.round_medians_ms and name in truths
        }
        if not measured:
            continue
        chosen = min(measured, key=measured.__getitem__)
        losses.append(truths[chosen] / min(truths.values()) - 1)
    return {
        "runs": len(losses),
        "within_2_percent": sum(loss <= 0.02 for loss in losses),
        "worst": max(losses, default=None),
    }


def report() -> None:
    recorded = {name: load(name) for name in SETS}
    rows = {name: rows_of(runs) for name, runs in recorded.items()}
    truths = {
        name: coverage(each)["truth_ms"]
        for name, each in rows["lenet5"].items()
        if coverage(each)["truth_ms"]
    }
    summary = {
        "machine": recorded["lenet5"][0].environment.machine["cpu_model"],
        "from": recorded["lenet5"][0].environment.created_at,
        "to": recorded["lenet5"][-1].environment.created_at,
        "coverage": {
            f"{SETS[name][0]}: {row}": coverage(each)
            for name in SETS
            for row, each in rows[name].items()
        },
        "between_runs": between_runs(recorded["lenet5"]),
        "within_runs": within_runs(recorded["lenet5"]),
        "fastest": fastest(recorded["lenet5"], truths),
    }
    REPORT.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("record", "report"))
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--pause-secs", type=float, default=5.0)
    parser.add_argument("--under", default="", help="a command that runs the benchmark, as taskset")
    given = parser.parse_args()
    if given.step == "record":
        record(given.minutes, given.pause_secs, given.under.split())
    else:
        report()


if __name__ == "__main__":
    main()
