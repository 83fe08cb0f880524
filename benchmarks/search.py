"""What `edgecnn search` finds in a given time, what random search finds, and what workers bring.

    python benchmarks/search.py --data spoken-digits:DIR?split=takes --model cnn1d [--parts …]

Parts, each kept in the report as it is done; a part that is there is not run again, and one that
was cut off resumes:

hand     the network as it is, trained with its own configuration for as many epochs as a winner
tpe      the search: trials steered by accuracy and measured latency
random   as many trials, drawn at random
compare  the winners against the hand-made network once more, for a machine that is quiet by then
workers  trials an hour with one and with two workers, single-threaded, without pruning
kill     a worker is killed in mid-trial (SIGKILL): which trials are lost, which results

A winner is compared with the hand-made network on the test split, sample by sample, and in paired
rounds of latency. Trials never see the test split. With --busy the report says that others were
working on the machine: latencies of paired rounds still compare, times of trials do not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from edgecnn import data as sources  # noqa: E402
from edgecnn.analysis.pairing import compare_rows  # noqa: E402
from edgecnn.benchmarking.benchmark import benchmark  # noqa: E402
from edgecnn.benchmarking.machine.description import capture  # noqa: E402
from edgecnn.benchmarking.protocol import resolve  # noqa: E402
from edgecnn.conversion.convert import convert_one  # noqa: E402
from edgecnn.data.base import Dataset  # noqa: E402
from edgecnn.embedded_manifest import load_artifact  # noqa: E402
from edgecnn.results.accuracy_drop import answers  # noqa: E402
from edgecnn.search.search import search  # noqa: E402
from edgecnn.search.settings import DataName, SearchSettings  # noqa: E402
from edgecnn.search.space import space_for  # noqa: E402
from edgecnn.search.worker_pool import Cluster  # noqa: E402
from edgecnn.statistics.proportions import paired_difference  # noqa: E402
from edgecnn.training import train  # noqa: E402

PARTS = ("hand", "tpe", "random", "compare", "workers", "kill")
RUNTIME = "litert:cpu"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="cnn1d")
    parser.add_argument("--data", required=True)
    parser.add_argument("--name", default="spoken_digits")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--final-epochs", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=10, help="of each search's trials")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="as `edgecnn search --set`")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/search"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search.json")
    parser.add_argument("--busy", action="store_true", help="mark the numbers: others were working")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    os.environ["EDGECNN_DB"] = f"sqlite:///{(asked.work / 'search.db').absolute()}"
    dataset = sources.load(asked.data)
    report = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    entry = report.setdefault(asked.name, {})
    entry["about"] = {
        "machine": capture().machine.get("cpu_model"),
        "busy": asked.busy,
        "model": asked.model,
        "samples": {name: len(split) for name, split in dataset.splits.items()},
        "trials": asked.trials,
        "epochs": asked.epochs,
        "final_epochs": asked.final_epochs,
        "workers": asked.workers,
    }
    parts = {
        "hand": hand,
        "tpe": tpe,
        "random": at_random,
        "compare": compare,
        "workers": workers,
        "kill": kill,
    }
    for name in asked.parts.split(","):
        if name not in entry:
            print(f"{asked.name}: {name} …", flush=True)
            entry[name] = parts[name](asked, dataset)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(json.dumps(report, indent=1) + "\n")
        print(json.dumps({name: entry[name]}, indent=1), flush=True)


def hand(asked: argparse.Namespace, dataset: Dataset) -> Mapping[str, Any]:
    folder = asked.work / f"{asked.name}-hand"
    began = time.monotonic()
    model = folder / f"{asked.model}.keras"
    if not model.exists():
        train(
            asked.model,
            dataset,
            out=model,
            epochs=asked.final_epochs,
            folder=folder / f"{asked.model}.training",
        )
    artifact = convert_one(model, "tflite:static_int8", calibration=dataset, out=folder, force=True)
    return {"file": artifact.path.name, "seconds": round(time.monotonic() - began)}


def tpe(asked: argparse.Namespace, dataset: Dataset) -> Mapping[str, Any]:
    return searched(asked, dataset, "tpe")


def at_random(asked: argparse.Namespace, dataset: Dataset) -> Mapping[str, Any]:
    return searched(asked, dataset, "random")


def searched(asked: argparse.Namespace, dataset: Dataset, sampler: str) -> Mapping[str, Any]:
    began = time.monotonic()
    settings = settings_of(asked, sampler=sampler, timeout_secs=60 * asked.minutes)
    space = space_for(asked.model, dataset, changes=asked.set)
    out = asked.work / f"{asked.name}-{sampler}"
    outcome = search(settings, space, dataset, out, say=say)
    found: dict[str, Any] = {
        "seconds": round(time.monotonic() - began),
        "sentences": outcome.sentences,
        "front": [
            {"trial": each.number, "accuracy": each.accuracy, "p50_ms": each.p50,
             "parameters": dict(each.parameters)}
            for each in outcome.front
        ],
        "importances": {name: dict(each) for name, each in outcome.importances.items()},
    }  # fmt: skip
    if outcome.winner is not None:
        found["winner"] = {
            "trial": outcome.winner.trial.number,
            "parameters": dict(outcome.winner.trial.parameters),
            **compared(asked, outcome.winner.artifact, dataset),
        }
    return found


def compare(asked: argparse.Namespace, dataset: Dataset) -> Mapping[str, Any]:
    """The winners of `tpe` and `random` against the hand-made network once more, side by side."""
    winners = {
        sampler: next((asked.work / f"{asked.name}-{sampler}").glob("*.tflite"), None)
        for sampler in ("tpe", "random")
    }
    return {name: compared(asked, path, dataset) for name, path in winners.items() if path}


def compared(asked: argparse.Namespace, winner: Path, dataset: Dataset) -> Mapping[str, Any]:
    """Hand-made network and winner on the test split, and in latency in paired rounds."""
    hand_made = next((asked.work / f"{asked.name}-hand").glob("*.tflite"))
    results = benchmark(
        [hand_made, winner],
        (RUNTIME,),
        protocol=resolve("default", max_secs=20),
        data=dataset,
        passes=(),
    )
    rows = {row.artifact.sha256: row for row in results.measurements}  # names may be equal
    first, second = rows[load_artifact(hand_made).sha256], rows[load_artifact(winner).sha256]
    difference_of_times = compare_rows(second, first)
    ratio = difference_of_times.ratio if difference_of_times else None
    assert first.accuracy is not None
    assert second.accuracy is not None
    right = [answers(first.accuracy), answers(second.accuracy)]
    difference = None
    if right[0] is not None and right[1] is not None:
        lost = int((right[0] & ~right[1]).sum())
        gained = int((right[1] & ~right[0]).sum())
        low, high = paired_difference(gained, lost, len(right[0]))
        difference = {
            "points": 100 * (gained - lost) / len(right[0]),
            "ci95": [100 * low, 100 * high],
            "n": len(right[0]),
        }
    return {
        "hand_made": {"accuracy": first.accuracy.value, "p50_ms": first.latency and
                      first.latency.p50, "size_bytes": first.artifact.size_bytes,
                      "verdict": first.verdict},
        "winner": {"accuracy": second.accuracy.value, "p50_ms": second.latency and
                   second.latency.p50, "size_bytes": second.artifact.size_bytes,
                   "verdict": second.verdict},
        "times_as_fast": ratio and ratio.value,
        "times_as_fast_ci95": ratio and list(ratio.interval()),
        "accuracy_difference": difference,
    }  # fmt: skip


def workers(asked: argparse.Namespace, dataset: Dataset) -> Mapping[str, Any]:
    """The same trials drawn at random, as long as the search's, with one worker and with two."""
    found: dict[str, Any] = {"epochs": asked.epochs}
    count = 6
    for number in (1, 2):
        settings = replace(
            settings_of(asked, sampler="random"),
            trials=count,
            pruning="none",
            cluster=Cluster(number),
            trial_threads=1,
        )
        space = space_for(asked.model, dataset, changes=asked.set)
        ended: list[float] = []
        began = time.monotonic()

        def note(line: str, ended: list[float] = ended) -> None:
            if line.startswith("trial "):
                ended.append(time.monotonic())

        out = asked.work / f"{asked.name}-workers-{number}-{int(time.time())}"
        replacing_finish(settings, space, dataset, out, note)
        # Starting the cluster counts, for both.
        secs = ended[-1] - began
        found[str(number)] = {"trials": len(ended), "seconds": round(secs, 1),
                              "trials_per_hour": round(3600 * len(ended) / secs, 1)}  # fmt: skip
    found["ratio"] = round(found["2"]["trials_per_hour"] / found["1"]["trials_per_hour"], 3)
    found["cores"] = os.cpu_count()
    found["load_average"] = os.getloadavg()[0]
    return found


def replacing_finish(
    settings: SearchSettings, space: Any, dataset: Dataset, out: Path, say: Any
) -> None:
    """Trials alone: no winner is trained."""
    import edgecnn.search.search as module

    own = module.finish
    module.finish = lambda outcome, *_: outcome
    try:
        search(settings, space, dataset, out, say=say)
    finally:
        module.finish = own


def kill(asked: argparse.Namespace, dataset: Dataset) -> Mapping[str, Any]:
    """SIGKILL to a Dask worker while it trains: one trial is lost, and tried again."""
    import psutil

    lines: list[str] = []
    killed: list[int] = []

    def attack() -> None:
        while not killed:
            time.sleep(0.2)
            for child in psutil.Process().children(recursive=True):
                try:
                    words = child.cmdline()
                    parent = child.parent()
                except psutil.Error:
                    continue
                if "edgecnn.search.trial" in words and parent is not None and len(lines) >= 1:
                    time.sleep(4)
                    os.kill(parent.pid, signal.SIGKILL)
                    killed.append(parent.pid)
                    return

    settings = replace(
        settings_of(asked, sampler="random"),
        trials=4,
        epochs=2,
        pruning="none",
        cluster=Cluster(2),
        trial_threads=1,
    )
    space = space_for(asked.model, dataset, changes=asked.set)
    thread = threading.Thread(target=attack, daemon=True)
    thread.start()
    out = asked.work / f"{asked.name}-kill-{int(time.time())}"
    replacing_finish(settings, space, dataset, out, lines.append)
    saved = json.loads((out / "answer.json").read_text())
    states = [each["state"] for each in saved["trials"]]
    return {
        "killed": len(killed),
        "lost": sum("lost" in line for line in lines),
        "measured": states.count("complete"),
        "asked_for": settings.trials,
        "lines": lines,
    }


def settings_of(
    asked: argparse.Namespace, *, sampler: str, timeout_secs: float | None = None
) -> SearchSettings:
    return SearchSettings(
        model=asked.model,
        data=DataName(asked.data),
        runtime=RUNTIME,
        trials=asked.trials,
        timeout_secs=timeout_secs,
        epochs=asked.epochs,
        final_epochs=asked.final_epochs,
        sampler=sampler,
        cluster=Cluster(asked.workers),
        trial_threads=1,
    )


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
