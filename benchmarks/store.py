"""How fast the database of results is: a million measurements, and ten thousand files.

    python benchmarks/store.py --out benchmarks/results/store.json
    python benchmarks/store.py --postgresql postgresql+psycopg://user@/empty?host=/socket --out …

Rows are made up (tests/unit/store/made_up.py): nothing is said about models. "import" is what
`edgecnn results import FOLDER` does, on files of 4 rows with 5 processes of 200 samples. "history"
is the query with its change points, as `edgecnn results history` has it, for one configuration of
a thousand measurements among a million; the database is opened again for each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edgecnn.store import open_database  # noqa: E402
from edgecnn.store.importing import import_all  # noqa: E402
from edgecnn.store.sql import Database, MeasurementFilter, PackedResults, pack  # noqa: E402
from edgecnn.store.sql.identity import digest  # noqa: E402
from tests.unit.store import made_up  # noqa: E402

MEASUREMENTS = 1_000_000
CONFIGURATIONS = 1_000
ROWS_A_SESSION = 100
FILES = 10_000
ROWS, PROCESSES, SAMPLES = 4, 5, 200
DAY = 86_400.0
LIMITS = {"history, ms": 100.0, "import, s": 300.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--postgresql", help="the address of an empty database")
    parser.add_argument("--small", action="store_true", help="a hundredth of everything")
    options = parser.parse_args()
    share = 100 if options.small else 1
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        addresses = {"sqlite": str(place / "many.db")}
        if options.postgresql:
            addresses["postgresql"] = options.postgresql
        found: dict[str, Any] = {
            "machine": machine(),
            "at": datetime.now().astimezone().isoformat(timespec="seconds"),
            "load average": os.getloadavg()[0],
            "limits": LIMITS,
            "measurements": MEASUREMENTS // share,
            "files": FILES // share,
        }
        files = place / "files"
        size = write_files(files, FILES // share)
        found["bytes of all files"] = size
        for name, address in addresses.items():
            print(name, flush=True)
            found[name] = {**imported(address, files), **histories(address, share)}
            if name == "sqlite":
                found[name]["bytes"] = Path(address).stat().st_size
        shutil.rmtree(files)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def write_files(folder: Path, count: int) -> int:
    """Results files, all different; their size in bytes."""
    folder.mkdir()
    base = made_up.session(0, rows=ROWS, processes=PROCESSES)
    rng = np.random.default_rng(1)
    size = 0
    for number in range(count):
        rows = tuple(
            replace(row, runs=tuple(_another(run, number, rng) for run in row.runs))
            for row in base.measurements
        )
        path = folder / f"{number:05}.json"
        replace(base, measurements=rows).save(path)
        size += path.stat().st_size
    return size


def _another(run: Any, number: int, rng: np.random.Generator) -> Any:
    samples = rng.lognormal(np.log(300_000), 0.02, SAMPLES).astype(int).tolist()
    began = datetime.fromtimestamp(1.7e9 + number * 3_600).astimezone().isoformat()
    return replace(
        run,
        samples_ns=tuple(samples),
        started_at=began,
        load_ns=run.load_ns + number,
    )


def imported(address: str, files: Path) -> dict[str, float]:
    """Import all files into an empty database, then once more."""
    with open_database(address) as database:
        start, spent = time.perf_counter(), sum(os.times()[:4])
        done = import_all(database, [files], label="files")
        secs, spent = time.perf_counter() - start, sum(os.times()[:4]) - spent
        assert done.new == ROWS * done.files
        start = time.perf_counter()
        assert import_all(database, [files], label="files").new == 0
        again = time.perf_counter() - start
    print(f"import {secs:.1f} s, again {again:.1f} s", flush=True)
    return {
        "import, s": round(secs, 2),
        "import, CPU s": round(spent, 2),
        "import again, s": round(again, 2),
    }


def histories(address: str, share: int) -> dict[str, Any]:
    """Fill the database up to a million measurements, then look at single configurations."""
    start = time.perf_counter()
    with open_database(address) as database:
        fill(database, MEASUREMENTS // share)
    print(f"filled in {time.perf_counter() - start:.0f} s", flush=True)
    times = []
    configurations = max(ROWS_A_SESSION, CONFIGURATIONS // share)
    points = MEASUREMENTS // share // configurations
    for number in range(0, configurations, configurations // 20):
        start = time.perf_counter()
        with open_database(address) as database:
            opened = time.perf_counter()
            (series,) = database.history(MeasurementFilter(f"net{number}"))
            times.append(1e3 * (time.perf_counter() - opened))
        assert len(series.points) >= points
    return {
        "history, ms": round(median(times), 1),
        "history at most, ms": round(max(times), 1),
        "points of a history": len(series.points),
        "opening, ms": round(1e3 * (opened - start), 1),
    }


def fill(database: Database, count: int) -> None:
    """Sessions of a hundred rows, each configuration once in ten sessions."""
    sessions = count // ROWS_A_SESSION
    groups = max(1, CONFIGURATIONS * count // MEASUREMENTS // ROWS_A_SESSION)
    bases = [
        pack(made_up.session(0, rows=ROWS_A_SESSION, model_from=group * ROWS_A_SESSION))
        for group in range(groups)
    ]
    for number in range(sessions):
        database.add_packed(_renewed(bases[number % groups], number), label="main")


def _renewed(base: PackedResults, number: int) -> PackedResults:
    """The same session on another day, with other latencies."""
    rng = np.random.default_rng(number)
    at = 1.6e9 + number * DAY / 10
    rows = tuple(
        replace(
            row,
            columns={
                **row.columns,
                "origin": digest(row.columns["origin"], number),
                "measured_at": at,
                **_shifted(row.columns, float(rng.lognormal(0, 0.01))),
            },
        )
        for row in base.rows
    )
    return replace(base, digest=digest(base.digest, number), measured_at=at, rows=rows)


def _shifted(columns: Any, factor: float) -> dict[str, float]:
    return {name: columns[name] * factor for name in ("p50_ms", "p50_low_ms", "p50_high_ms")}


if __name__ == "__main__":
    main()
