"""How long a report takes to build, how large it is, and how soon it can be used in Chromium.

    python benchmarks/report_speed.py --out benchmarks/results/report_speed.json

Rows are made up (tests/unit/reporting/factory.py), and in the case "measured" they are those of
benchmarks/results/quickstart, repeated with their samples shuffled and scaled by up to a tenth, so
that no row compresses as a copy of another. Only sizes and times of the report are measured here,
nothing about models. `--measured` measures that case alone and leaves the others as they are. Each
build is a fresh process, imports included, as `edgecnn report` has it; "first" is the very first
one, which also makes the drawing library that later ones find in the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from edgecnn.results import Results  # noqa: E402
from tests.unit.reporting import factory  # noqa: E402

LIMITS = {
    "build 200 rows, s": 3.0,
    "build 10,000 rows, s": 20.0,
    "size 200 rows, bytes": 2_000_000,
    "table usable with 2,000 rows, ms": 1_000,
}
CASES = (  # rows, processes a row, samples a process
    (10, 5, 662),
    (200, 5, 662),
    (200, 5, 20_000),
    (2_000, 5, 200),
    (10_000, 5, 64),
)
OPENINGS = 5
_BUILD = """
import resource, sys, time
start = time.perf_counter()
from pathlib import Path
from edgecnn.results import Results
from edgecnn.reporting import write
results = [Results.load(Path(sys.argv[1]))]
loaded = time.perf_counter()
write(results, Path(sys.argv[2]))
own, bundler = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
cpu = own.ru_utime + own.ru_stime + bundler.ru_utime + bundler.ru_stime
print(loaded - start, time.perf_counter() - loaded, cpu)
"""


def build(source: Path, page: Path, cache: Path) -> dict[str, float]:
    """Seconds to read the results file and to write the page, in a fresh process.

    `cpu_s` is processor time of both and of all it started: what a busy machine cannot inflate
    much.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(source), str(page)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    read, written, cpu = map(float, done.stdout.split())
    return {"read_s": round(read, 3), "build_s": round(written, 3), "cpu_s": round(cpu, 3)}


def open_times(browser: Any, page_path: Path) -> dict[str, Any]:
    """Milliseconds from navigation until the table stands and until all images do."""
    tables, images = [], []
    for _ in range(OPENINGS):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        start = time.perf_counter()
        page.goto(page_path.as_uri(), wait_until="commit")
        page.wait_for_selector("html[data-charts=ready]", timeout=120_000, state="attached")
        images.append((time.perf_counter() - start) * 1e3)
        tables.append(page.evaluate("performance.getEntriesByName('edgecnn-table')[0].startTime"))
        context.close()
    return {
        "table_ms": [round(value) for value in tables],
        "table_ms_median": round(statistics.median(tables)),
        "pictures_ms_median": round(statistics.median(images)),
    }


def measured_rows(count: int) -> Results:
    """`count` rows made of the measured ones of the quickstart."""
    whole = Results.load(ROOT / "benchmarks/results/quickstart/results.json")
    real = [row for row in whole.measurements if row.runs]
    rng = np.random.default_rng(0)

    def other(times: Sequence[int]) -> list[int]:
        scaled = rng.permutation(np.asarray(times, np.float64)) * rng.uniform(0.9, 1.1)
        return [round(value) for value in scaled * rng.normal(1, 0.003, scaled.size)]

    rows = []
    for number in range(count):
        row = real[number % len(real)]
        artifact = replace(
            row.artifact,
            name=f"{number // len(real)}-{row.artifact.name}",
            sha256=f"{number:064x}",
        )
        runs = []
        for run in row.runs:
            stages = dict(run.passes.get("stages") or {})
            if stages.get("times_ns"):
                stages["times_ns"] = {
                    name: times and other(times) for name, times in stages["times_ns"].items()
                }
            passes = {**run.passes, **({"stages": stages} if stages else {})}
            samples = {
                name: tuple(other(getattr(run, name))) for name in ("samples_ns", "warmup_ns")
            }
            runs.append(replace(run, passes=passes, **samples))
        rows.append(replace(row, artifact=artifact, runs=tuple(runs)))
    return replace(whole, measurements=tuple(rows))


def measure_measured(browser: Any, folder: Path) -> dict[str, Any]:
    """200 rows with real samples and real times of stages."""
    source, page = folder / "measured.json", folder / "measured.html"
    results = measured_rows(200)
    results.save(source)
    builds = [build(source, page, folder / "cache") for _ in range(3)]
    case: dict[str, Any] = {
        "rows": 200,
        "samples": sum(len(run.samples_ns) for row in results.measurements for run in row.runs),
        "results_file_bytes": source.stat().st_size,
        "builds": builds,
        "cpu_s_median": statistics.median(one["cpu_s"] for one in builds),
        "page_bytes": page.stat().st_size,
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
    if browser is not None:
        case["open"] = open_times(browser, page)
    return case


def measure(browser: Any, folder: Path) -> list[dict[str, Any]]:
    """All cases, smallest first; the first build of all pays for the cache."""
    cache = folder / "cache"
    cases = []
    for rows, processes, samples in CASES:
        source, page = folder / f"{rows}-{samples}.json", folder / f"{rows}-{samples}.html"
        factory.many(rows, samples=samples, processes=processes).save(source)
        case: dict[str, Any] = {
            "rows": rows,
            "processes": processes,
            "samples_a_process": samples,
            "results_file_bytes": source.stat().st_size,
        }
        if rows == 200 and samples == 662:
            case["first"] = build(source, page, folder / "empty cache")
        builds = [
            build(source, page, cache)
            for _ in range(1 if rows * samples > 1_000_000 or rows > 2_000 else 3)
        ]
        case["builds"] = builds
        case["cpu_s_median"] = statistics.median(one["cpu_s"] for one in builds)
        case["build_s_median"] = statistics.median(one["build_s"] for one in builds)
        case["page_bytes"] = page.stat().st_size
        if browser is not None:
            case["open"] = open_times(browser, page)
        cases.append(case)
        print(json.dumps({key: value for key, value in case.items() if key != "builds"}))
        source.unlink()
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--measured", action="store_true", help="the rows of the quickstart alone")
    arguments = parser.parse_args()
    out = arguments.out
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = None
        if chromium:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
            )
        if not arguments.measured:
            cases = measure(browser, Path(folder))
        measured = measure_measured(browser, Path(folder))
        version = browser.version if browser else None
    if arguments.measured:
        document = {**json.loads(out.read_text()), "measured": measured}
        out.write_text(json.dumps(document, indent=1) + "\n")
        return
    document = {
        "created_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": "python benchmarks/report_speed.py --out benchmarks/results/report_speed.json",
        "machine": {
            "cpu_model": cpu_model(),
            "logical_cores": os.cpu_count(),
            "python": platform.python_version(),
            "chromium": version,
            "load_average_before": [round(value, 2) for value in load],
            "load_average_after": [round(value, 2) for value in os.getloadavg()],
        },
        "packages": {
            name: metadata.version(name) for name in ("altair", "vl-convert-python", "numpy")
        },
        "limits": LIMITS,
        "cases": cases,
        "measured": measured,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")


def cpu_model() -> str:
    """The processor's name as Linux reports it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
