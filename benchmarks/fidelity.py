"""Does edgecnn measure what other tools measure? Interleaved, in one run, on the same files.

python benchmarks/fidelity.py [--quick] [--only NAMES]   →   benchmarks/results/fidelity.json, .md

For every network, recipe and number of threads, edgecnn's worker and each rival take turns in
fresh processes (A B C A B C …), so that drift hits all of them. What is compared is the median
over rounds of the ratio of p50 within a round: within 3%, below 100 µs within 2 µs.

Rows that were measured before on the same machine with the same runtimes stay until they are
measured again, so that networks can be measured one after the other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from networks import NAMES, RECIPES, RESULTS, model_file
from rivals import WARM_UP_SECS, ask

from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import run_worker
from edgecnn.benchmarking.machine import description as machine
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Run, RuntimeOptions

OTHER_CPUS = 0.25
"""As in benchmarking/verdict: above, a row of edgecnn's own is called NOISY."""
SHARE, SMALL_MS, SMALL_DIFFERENCE_MS = 0.03, 0.1, 0.002

Key = tuple[int, str, str, str]
"""(threads, network, recipe, runtime) of a row."""

RUNTIME_PACKAGES = ("ai-edge-litert", "onnxruntime", "onnxruntime-gpu", "openvino")
MACHINE = ("board", "cpu_model", "architecture", "usable_cores", "memory_bytes", "instruction_sets")

# Runtime → (file format, rivals). The first rival makes the same call into the runtime as edgecnn;
# the others time something else by design, which NOTES explains.
RIVALS = {
    "litert": ("tflite", ("litert-interpreter", "litert-benchmark", "compiled-model")),
    "openvino": ("tflite", ("openvino-infer", "benchmark-app")),
    "onnxruntime": ("onnx", ("ort-binding", "ort-run")),
}
LOOPS = {
    "litert": ("compiled-model", "litert-benchmark"),
    "openvino": ("openvino-infer's latency", "benchmark-app"),
}
"""Pairs of rivals that make the same call under the same clock: do the loops agree?"""
SAME_CALL = (
    "litert-interpreter",
    "openvino-infer",
    "ort-binding",
    *(f"{one} against {other}" for one, other in LOOPS.values()),
)
NOTES = {
    "litert-interpreter": "the same calls as edgecnn: set_tensor, invoke",
    "litert-benchmark": (
        "times CompiledModel.run_by_name on input buffers filled once; edgecnn runs the "
        "Interpreter and copies the input into it in every inference, as an application must"
    ),
    "compiled-model": (
        "litert-benchmark's own call in edgecnn's loop: against litert-benchmark it shows "
        "whether the two loops and clocks agree"
    ),
    "openvino-infer": "the same call as edgecnn: InferRequest.infer on bound tensors",
    "openvino-infer's latency": (
        "the same inferences under benchmark_app's clock, InferRequest.latency: against "
        "benchmark-app it shows whether the loops agree, against openvino-infer what the clocks "
        "leave out"
    ),
    "benchmark-app": (
        "reports InferRequest.latency, read inside of the binding: the dictionary of outputs that "
        "infer() hands to every Python caller (its cost stands in the row) is left out, and "
        "edgecnn, whose clock is the caller's, has it; a start_async() and wait() that builds none "
        "takes twice as long as infer() on LeNet-5"
    ),
    "ort-binding": "session.run_with_iobinding: inputs and outputs bound beforehand, as edgecnn",
    "ort-run": (
        "session.run(None, feed): wraps the inputs and allocates the outputs in every call, "
        "which edgecnn binds beforehand"
    ),
}


def main() -> None:
    """Measure, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s instead of 5")
    parser.add_argument("--rounds", type=int, help="another number of rounds")
    parser.add_argument("--only", default="", help="networks and runtimes, comma-separated")
    parser.add_argument(
        "--keep-quiet",
        action="store_true",
        help="keep rows of the last run in whose rounds others used little of the machine",
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    only = set(filter(None, arguments.only.split(",")))
    unknown = only - {*NAMES, *RIVALS}
    if unknown:
        parser.error(f"--only takes {', '.join((*NAMES, *RIVALS))}; received: {', '.join(unknown)}")
    before = asdict(machine.capture())
    rows = _known_rows(arguments.out, before, must_fit=bool(only))
    networks = [name for name in NAMES if name in only] or NAMES
    runtimes = [name for name in RIVALS if name in only] or list(RIVALS)
    for key in itertools.product((1, 2), networks, RECIPES, runtimes):
        threads, name, recipe, runtime = key
        if not (arguments.keep_quiet and key in rows and _is_quiet(rows[key])):
            rows[key] = _row(name, recipe, threads, runtime, rounds)
        print(_line(rows[key]), flush=True)
        _write(arguments.out, [rows[known] for known in sorted(rows, key=_place)], before)


def _place(key: Key) -> tuple[int, ...]:
    threads, name, recipe, runtime = key
    return threads, NAMES.index(name), RECIPES.index(recipe), list(RIVALS).index(runtime)


def _known_rows(out: Path, now: dict[str, Any], *, must_fit: bool) -> dict[Key, dict[str, Any]]:
    """Rows of an earlier run in `out`. None of another machine or of other runtimes: with
    `must_fit` they end the program, because what was asked would stand alone where they stood.
    """
    path = out / "fidelity.json"
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    then = document["environment_before"]
    differing = [
        name for name, value in _fingerprint(now).items() if value != _fingerprint(then)[name]
    ]
    if differing:
        line = f"{path} was measured with another {', '.join(differing)}"
        if must_fit:
            raise SystemExit(
                f"{line}; leave out --only to measure all again, or give another --out"
            )
        print(f"{line}: all rows are measured again")
        return {}
    return {
        (row["threads"], row["network"], row["recipe"], row["runtime"].partition(":")[0]): row
        for row in document["rows"]
    }


def _fingerprint(environment: dict[str, Any]) -> dict[str, Any]:
    """What must be the same before rows may stand in one table."""
    packages = environment["packages"]
    return {
        **{name: environment["machine"].get(name) for name in MACHINE},
        **{name: packages.get(name) for name in RUNTIME_PACKAGES},
    }


def _is_quiet(row: dict[str, Any]) -> bool:
    return bool(max(row["other_cpus"]) <= OTHER_CPUS)


def _row(name: str, recipe: str, threads: int, runtime: str, rounds: int) -> dict[str, Any]:
    format_name, rivals = RIVALS[runtime]
    path = model_file(name, format_name, recipe)
    p50: dict[str, list[float]] = {tool: [] for tool in ("edgecnn", *rivals)}
    others: list[float] = []
    settings: dict[str, str] = {}
    run = None
    for _ in range(rounds):
        run = _edgecnn(runtime, path, threads)
        p50["edgecnn"].append(float(np.median(run.samples_ns)) / 1e6)
        others.append(run.machine.get("other_cpus") or 0.0)
        if run.effective and "snippets" in run.effective.details:
            settings = {"SNIPPETS_MODE": "DISABLE"}  # what edgecnn sets, see runtimes/openvino.py
        for tool in rivals:
            answer = ask(tool, path, threads, 1.0, settings)
            p50[tool].append(answer["p50_ms"])
            if "latency_p50_ms" in answer:
                p50.setdefault(f"{tool}'s latency", []).append(answer["latency_p50_ms"])
    assert run is not None
    assert run.effective is not None
    row: dict[str, Any] = {
        "network": name,
        "recipe": recipe,
        "threads": threads,
        "runtime": f"{runtime}:cpu",
        "file": path.name,
        "precision": run.effective.precision,
        "openvino_settings": settings,
        "measured_at": run.started_at,
        "p50_ms": p50,
        "other_cpus": others,
        "compared": {tool: _compare(p50["edgecnn"], p50[tool]) for tool in rivals},
    }
    if runtime in LOOPS:
        one, other = LOOPS[runtime]
        row["compared"][f"{one} against {other}"] = _compare(p50[one], p50[other])
    if runtime == "openvino":
        outside = zip(p50["openvino-infer"], p50["openvino-infer's latency"], strict=True)
        row["output_dictionary_us"] = statistics.median(a - b for a, b in outside) * 1e3
    return row


def _edgecnn(runtime: str, path: Path, threads: int) -> Run:
    protocol = Protocol("fidelity", 1, 1.0, 20, 1.0, warmup_min_secs=WARM_UP_SECS)
    options = RuntimeOptions(threads=threads)
    outcome = run_worker(WorkerJob(runtime, "cpu", options, str(path.resolve()), protocol))
    if outcome.run is None:
        raise SystemExit(f"{runtime} on {path.name}: {outcome.error}")
    return outcome.run


def _compare(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Median over rounds of ratio and difference, and whether one of the two limits holds."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    difference = statistics.median(a - b for a, b in zip(ours, theirs, strict=True))
    small = statistics.median(theirs) < SMALL_MS
    near = abs(difference) <= SMALL_DIFFERENCE_MS if small else abs(ratio - 1) <= SHARE
    return {"ratio": ratio, "difference_us": difference * 1e3, "within": near}


def _line(row: dict[str, Any]) -> str:
    medians = {tool: statistics.median(times) for tool, times in row["p50_ms"].items()}
    cells = [f"{medians['edgecnn']:.4g}"]
    for tool, found in row["compared"].items():
        theirs = f"{medians[tool]:.4g}, " if tool in medians else ""
        sign = "within" if found["within"] else "**apart**"
        cells.append(
            f"{tool}: {theirs}{found['ratio'] - 1:+.1%} ({found['difference_us']:+.1f} µs) {sign}"
        )
    if "output_dictionary_us" in row:
        cells.append(f"output dictionary: {row['output_dictionary_us']:.1f} µs")
    what = f"{row['network']} {row['recipe']} | {row['threads']} | {row['runtime']}"
    return f"| {what} ({row['precision']}) | {cells[0]} | {'; '.join(cells[1:])} |"


def _write(out: Path, rows: list[dict[str, Any]], before: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    judged = [pair for row in rows for pair in row["compared"].items()]
    same = [found["within"] for tool, found in judged if tool in SAME_CALL]
    other = [found["within"] for tool, found in judged if tool not in SAME_CALL]
    document = {
        "limits": {
            "share": SHARE,
            "below_ms": SMALL_MS,
            "difference_there_ms": SMALL_DIFFERENCE_MS,
        },
        "rounds": sorted({len(row["p50_ms"]["edgecnn"]) for row in rows}),
        "same_call": {"comparisons": len(same), "within": sum(same)},
        "other_call_by_design": {"comparisons": len(other), "within": sum(other)},
        "notes": NOTES,
        "environment_before": before,
        "environment_after": asdict(machine.capture()),
        "rows": rows,
    }
    text = json.dumps(document, indent=1) + "\n"
    (out / "fidelity.json").write_text(text, encoding="utf-8")
    cpu = before["machine"]["cpu_model"]
    busy = statistics.median(cpus for row in rows for cpus in row["other_cpus"])
    rounds = " or ".join(map(str, document["rounds"]))
    lines = [
        "# Fidelity: edgecnn against other tools",
        "",
        f"p50 in milliseconds, median over {rounds} interleaved rounds of fresh processes, on "
        f"{cpu}; other processes kept {busy:.2f} processors busy meanwhile (median).",
        "",
        f"Within the limits: {sum(same)} of {len(same)} comparisons with loops that make the same "
        f"call into the runtime, {sum(other)} of {len(other)} with tools that time another one.",
        "",
        "| Model | Threads | Runtime (executed) | edgecnn | Rivals: p50, edgecnn's difference |",
        "|---|---|---|---|---|",
        *map(_line, rows),
        "",
        *(f"- **{tool}** {note}." for tool, note in NOTES.items()),
        "",
        "`python benchmarks/fidelity.py` makes this page and fidelity.json, with every round.",
        "",
    ]
    (out / "fidelity.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
