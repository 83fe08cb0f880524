"""Do two runs agree, and is a disturbed one distinguished from a quiet one?

python benchmarks/repeatability.py [--quick] [--only NAMES]
    →   benchmarks/results/repeatability.json, .md

`edgecnn benchmark --profile default` twice over the same rows: rows that are VALID in both must
agree within 2%. Then once more next to a process that keeps one core busy: rows must be NOISY, and
say so because of it. About seven minutes on a quiet machine with two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from networks import NAMES, RESULTS, model_file

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.machine import description as machine
from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.results import Measurement

AGREEMENT = 0.02
HOG_PROCESSES = 3
"""As few as give an interval over processes: the disturbed rows are not what takes time here."""
OTHERS = "other processes kept"
"""How a reason begins that names load by others (see benchmarking/verdict)."""
Row = tuple[str, str, str, str]
ROWS: tuple[Row, ...] = (
    ("lenet5", "tflite", "float32", "litert:cpu"),
    ("lenet5", "onnx", "float32", "onnxruntime:cpu"),
    ("mobilenetv2", "tflite", "static_int8", "litert:cpu"),
    ("mobilenetv2", "onnx", "float32", "onnxruntime:cpu"),
    ("resnet18", "tflite", "static_int8", "openvino:cpu"),
)
HOG = "import os\nos.sched_setaffinity(0, {int(os.environ['CORE'])})\nwhile True: pass"


def main() -> None:
    """Measure, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 processes a row, 12 s at most")
    parser.add_argument("--only", default="", help="networks, comma-separated")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    if only - set(NAMES):
        parser.error(f"--only takes {', '.join(NAMES)}; received: {', '.join(only - set(NAMES))}")
    asked = [row for row in ROWS if not only or row[0] in only]
    protocol = resolve("default")
    if arguments.quick:
        protocol = replace(protocol, processes=3, most_processes=3, max_secs=12.0)
    for row in asked:
        model_file(*row[:3])  # converted now, not between two measurements
    before, began = asdict(machine.capture()), time.perf_counter()
    first, second = _measure(asked, protocol), _measure(asked, protocol)
    quiet = asdict(machine.capture())
    with _hog():
        disturbed = _measure(asked, replace(protocol, processes=HOG_PROCESSES))
    rows = [_compare(first[row], second[row], disturbed[row]) for row in asked]
    both = [row for row in rows if row["verdicts"] == ["VALID", "VALID"]]
    document: dict[str, Any] = {
        "protocol": protocol.to_dict(),
        "agreement": AGREEMENT,
        "wall_secs": time.perf_counter() - began,
        "rows": rows,
        "valid_in_both": len(both),
        "valid_and_agree": sum(row["agree"] for row in both),
        "noisy_beside_a_hog": sum(row["beside_a_hog"]["told"] for row in rows),
        "environment_before": before,
        "environment_before_the_hog": quiet,
        "environment_after": asdict(machine.capture()),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (arguments.out / "repeatability.json").write_text(text, encoding="utf-8")
    (arguments.out / "repeatability.md").write_text(_page(document), encoding="utf-8")
    print(_page(document))


def _measure(asked: Sequence[Row], protocol: Protocol) -> dict[Row, Measurement]:
    """Every row once; those of one runtime in one interleaved benchmark, as a user would."""
    found: dict[Row, Measurement] = {}
    for runtime in dict.fromkeys(row[-1] for row in asked):
        rows = [row for row in asked if row[-1] == runtime]
        paths = [model_file(*row[:3]) for row in rows]
        results = benchmark(paths, [runtime], protocol=protocol, passes=())
        by_name = {each.artifact.name: each for each in results.measurements}
        found |= {row: by_name[path.name] for row, path in zip(rows, paths, strict=True)}
        print(f"{runtime}: {', '.join(str(each.verdict) for each in by_name.values())}", flush=True)
    return found


@contextlib.contextmanager
def _hog() -> Iterator[None]:
    """A process that keeps the last core busy."""
    cores = machine.capture().machine["logical_cores"]
    process = subprocess.Popen([sys.executable, "-c", HOG], env={"CORE": str(cores - 1)})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _compare(first: Measurement, second: Measurement, disturbed: Measurement) -> dict[str, Any]:
    one, two, beside = (_p50_ms(row) for row in (first, second, disturbed))
    return {
        "artifact": first.artifact.name,
        "runtime": first.configuration,
        "p50_ms": [one, two],
        "relative_spread": [first.relative_spread, second.relative_spread],
        "verdicts": [first.verdict, second.verdict],
        "reasons": [list(first.reasons), list(second.reasons)],
        "ratio": two / one,
        "agree": abs(two / one - 1) <= AGREEMENT,
        "beside_a_hog": {
            "p50_ms": beside,
            "verdict": disturbed.verdict,
            "told": disturbed.verdict == "NOISY"
            and any(reason.startswith(OTHERS) for reason in disturbed.reasons),
            "reasons": list(disturbed.reasons),
        },
    }


def _p50_ms(row: Measurement) -> float:
    if row.latency is None:
        raise SystemExit(f"{row.artifact.name} on {row.configuration}: {row.error}")
    return row.latency.p50


def _page(document: dict[str, Any]) -> str:
    before, quiet = (
        document[name]["machine"]["load_average"][0]
        for name in ("environment_before", "environment_before_the_hog")
    )
    lines = [
        "# Repeatability: the same benchmark twice, and once next to a CPU hog",
        "",
        f"Profile `default`, {document['protocol']['processes']} processes a row, on "
        f"{document['environment_before']['machine']['cpu_model']}, load average {before} before "
        f"and {quiet} after the two runs; {document['wall_secs'] / 60:.1f} minutes in all. "
        f"{document['valid_and_agree']} of {document['valid_in_both']} rows that are VALID in both "
        f"runs agree within {AGREEMENT:.0%}; {document['noisy_beside_a_hog']} of "
        f"{len(document['rows'])} rows are NOISY next to a hog on one core, and name it.",
        "",
        "| Row | p50 ms, first and second | Verdicts | Difference | Next to a hog |",
        "|---|---|---|---|---|",
        *map(_line, document["rows"]),
    ]
    why = sorted({reason for row in document["rows"] for some in row["reasons"] for reason in some})
    if why:
        lines += ["", "Reasons in the two runs:", "", *(f"- {reason}" for reason in why)]
    lines += [
        "",
        "`python benchmarks/repeatability.py` makes this page and its JSON.",
        "",
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    one, two = row["p50_ms"]
    hog = row["beside_a_hog"]
    return (
        f"| {row['artifact']} on {row['runtime']} | {one:.4g}, {two:.4g} | "
        f"{', '.join(row['verdicts'])} | {row['ratio'] - 1:+.1%} | "
        f"{hog['p50_ms']:.4g} {hog['verdict']} |"
    )


if __name__ == "__main__":
    main()
