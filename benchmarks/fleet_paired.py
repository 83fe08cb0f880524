"""The part `paired` of `benchmarks/fleet.py`: over a board and by hand, in turn."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

import numpy as np
from fleet_client import CLIENT, ROOT, home


def paired(pairs: int) -> dict[str, Any]:
    """The same benchmark through a board and by hand over ssh, in turn."""
    from edgecnn.results import Results

    model = ROOT / "edgecnn/assets/stop_sign_nano_static_int8.tflite"
    with home() as fleet:
        address = fleet.start("here")
        folder = fleet.folder
        _run([*CLIENT, "boards", "add", "here", address, "--python", sys.executable])
        words = ["--quick", "--processes", "3", "--runtimes", "litert:cpu", "--max-secs", "3"]
        port = address.rpartition(":")[2]
        by_hand = shlex.join(
            ["env", f"PYTHONPATH={ROOT}", *CLIENT, "benchmark", str(model), *words,
             "--force", "--out", str(folder / "hand.json")]
        )  # fmt: skip
        ssh = ["ssh", "-F", "none", "-p", port, "-i", str(fleet.home / ".ssh/id_ed25519"),
               "-o", f"UserKnownHostsFile={fleet.home / '.ssh/known_hosts'}", "127.0.0.1",
               by_hand]  # fmt: skip
        over = [*CLIENT, "benchmark", str(model), *words, "--on", "here", "--force",
                "--out", str(folder / "over.json")]  # fmt: skip
        times: dict[str, list[float]] = {"hand": [], "over": []}
        for number in range(pairs + 1):
            for name in ("hand", "over") if number % 2 else ("over", "hand"):
                _run(ssh if name == "hand" else over)
                (row,) = Results.load(folder / f"{name}.json").measurements
                assert row.latency is not None
                if number:  # the first pair brings edgecnn there
                    times[name].append(row.latency.p50)
            print(f"pair {number} of {pairs}", end="\r", flush=True)
    logs = np.log(np.asarray(times["over"]) / np.asarray(times["hand"]))
    rng = np.random.default_rng(0)
    means = np.median(rng.choice(logs, (10_000, len(logs))), axis=1)
    low, high = np.exp(np.percentile(means, [2.5, 97.5])) - 1
    return {
        "model": model.name,
        "pairs": pairs,
        "p50 by hand, ms": [round(each, 4) for each in times["hand"]],
        "p50 over SSH, ms": [round(each, 4) for each in times["over"]],
        "difference": round(float(np.exp(np.median(logs)) - 1), 5),
        "difference, 95% interval": [round(float(low), 5), round(float(high), 5)],
        "limit": 0.01,
    }


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{done.stderr[-2_000:]}")
