"""Do two runs agree, and is a disturbed one told from a quiet one?

python benchmarks/repeatability.py [--quick]   →   benchmarks/results/repeatability.json and .md

`edgecnn benchmark --profile default` twice over the same rows: rows that are VALID in both must
agree within 2%. Then once more with a process that keeps one core busy: rows must be NOISY.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from networks import RESULTS, model_file

from edgecnn.benchmarking import machine
from edgecnn.benchmarking.protocol import resolve
from edgecnn.benchmarking.session import benchmark
from edgecnn.results import Measurement, Results

AGREEMENT = 0.02
ROWS = (
    ("lenet5", "tflite", "float32", "litert:cpu"),
    ("lenet5", "onnx", "float32", "onnxruntime:cpu"),
    ("mobilenetv2", "tflite", "static_int8", "litert:cpu"),
    ("mobilenetv2", "onnx", "float32", "onnxruntime:cpu"),
    ("resnet18", "tflite", "float32", "openvino:cpu"),
)
HOG = "import os\nos.sched_setaffinity(0, {int(os.environ['CORE'])})\nwhile True: pass"


def main() -> None:
    """Measure, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 processes a row instead of 5")
    quick = parser.parse_args().quick
    protocol = resolve("default", processes=3 if quick else None)
    before = machine.capture()
    first, second = _measure(protocol), _measure(protocol)
    with _hog():
        disturbed = _measure(replace(protocol, processes=3))
    rows = [_compare(*three) for three in zip(first, second, disturbed, strict=True)]
    both = [row for row in rows if row["verdicts"] == ["VALID", "VALID"]]
    document: dict[str, Any] = {
        "protocol": protocol.to_dict(),
        "agreement": AGREEMENT,
        "rows": rows,
        "valid_in_both": len(both),
        "valid_and_agree": sum(row["agree"] for row in both),
        "noisy_beside_a_hog": sum(row["beside_a_hog"]["verdict"] == "NOISY" for row in rows),
        "environment_before": asdict(before),
        "environment_after": asdict(machine.capture()),
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (RESULTS / "repeatability.json").write_text(text, encoding="utf-8")
    (RESULTS / "repeatability.md").write_text(_page(document), encoding="utf-8")
    print(_page(document))


def _measure(protocol: Any) -> list[Measurement]:
    """All rows in one interleaved benchmark a file format's runtime, as a user would."""
    found = []
    for name, format_name, recipe, runtime in ROWS:
        path = model_file(name, format_name, recipe)
        results: Results = benchmark([path], [runtime], protocol=protocol, passes=())
        found.append(results.measurements[0])
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
    assert first.latency is not None
    assert second.latency is not None
    assert disturbed.latency is not None
    ratio = second.latency.p50 / first.latency.p50
    return {
        "artifact": first.artifact.name,
        "runtime": first.configuration,
        "p50_ms": [first.latency.p50, second.latency.p50],
        "ci95_ms": [first.latency.ci95, second.latency.ci95],
        "verdicts": [first.verdict, second.verdict],
        "reasons": [list(first.reasons), list(second.reasons)],
        "ratio": ratio,
        "agree": abs(ratio - 1) <= AGREEMENT,
        "beside_a_hog": {
            "p50_ms": disturbed.latency.p50,
            "verdict": disturbed.verdict,
            "reasons": list(disturbed.reasons),
        },
    }


def _page(document: dict[str, Any]) -> str:
    lines = [
        "# Repeatability: the same benchmark twice, and once beside a CPU hog",
        "",
        f"Profile `default`, {document['protocol']['processes']} processes a row, on "
        f"{document['environment_before']['machine']['cpu_model']}, load average "
        f"{document['environment_before']['machine']['load_average'][0]} before and "
        f"{document['environment_after']['machine']['load_average'][0]} after (the hog included). "
        f"{document['valid_and_agree']} of {document['valid_in_both']} rows that are VALID in both "
        f"runs agree within {AGREEMENT:.0%}; {document['noisy_beside_a_hog']} of "
        f"{len(document['rows'])} rows are NOISY beside a hog on one core.",
        "",
        "| Row | p50 ms, first and second | Verdicts | Difference | Beside a hog |",
        "|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        one, two = row["p50_ms"]
        hog = row["beside_a_hog"]
        lines.append(
            f"| {row['artifact']} on {row['runtime']} | {one:.4g}, {two:.4g} | "
            f"{', '.join(row['verdicts'])} | {row['ratio'] - 1:+.1%} | "
            f"{hog['p50_ms']:.4g} {hog['verdict']} |"
        )
    why = sorted({reason for row in document["rows"] for some in row["reasons"] for reason in some})
    if why:
        lines += ["", "Reasons of rows that are not VALID:", "", *(f"- {reason}" for reason in why)]
    lines += [
        "",
        "`python benchmarks/repeatability.py` makes this page and its JSON.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
