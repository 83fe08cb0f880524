"""Many boards at once: nothing lost and nothing doubled under faults, and what a client costs.

    python benchmarks/fleet.py faults   --out benchmarks/results/fleet.json
    python benchmarks/fleet.py thousand --out benchmarks/results/fleet.json
    python benchmarks/fleet.py paired   --out benchmarks/results/fleet.json

Boards are SSH servers on this machine (tests/integration/boards/machines.py), for `faults` in
network and process namespaces of their own, which only root may make.

- faults: 8 boards × 40 jobs, two clients; for ten minutes something goes wrong every few seconds:
  a client is killed, a board loses its power, a link is cut, sessions are dropped, a disk is full,
  a board is throttled. Lost is a job without results at the end; doubled is a job that was measured
  again although it had been measured, or whose results are stored twice.
- thousand: 1,000 boards that answer as boards do, but measure nothing, 40 jobs each in the queue:
  how long until a new client knows what waits, and how much memory it takes to work on all.
- paired: the same benchmark through `edgecnn benchmark --on` and by hand over ssh, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from fleet_faults import faults
from fleet_paired import paired
from fleet_thousand import thousand

BOARDS, JOBS = 8, 40
FAULT_SECS = 600.0
PAIRS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["faults", "thousand", "paired"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--secs", type=float, default=FAULT_SECS, help="of faults")
    parser.add_argument("--most-secs", type=float, default=7_200.0, help="then it is given up")
    parser.add_argument("--boards", type=int, default=BOARDS)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "faults": lambda: faults(
            options.boards, options.jobs, options.secs, options.most_secs, options.seed
        ),
        "thousand": lambda: thousand(options.jobs),
        "paired": lambda: paired(options.pairs),
    }
    began = datetime.now().astimezone().isoformat(timespec="seconds")
    found = parts[options.part]()
    known[options.part] = {"at": began, "load average": os.getloadavg()[0], **found}
    options.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(known[options.part], indent=1))


if __name__ == "__main__":
    main()
