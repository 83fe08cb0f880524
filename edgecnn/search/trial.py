"""One trial: train a network, convert it, and see how accurate the converted file is.

    python -m edgecnn.search.trial PARENT

for the process PARENT: a task as JSON on standard input; lines of JSON come back.

A process of its own for each trial: TensorFlow holds the interpreter for seconds, and a Dask worker
that does not answer meanwhile would be taken for dead and its work done again. What crashes here,
or runs out of memory, is one trial.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.system.child_process import claim_standard_output, die_with_parent

Say = Callable[[Mapping[str, Any]], None]


def main(parent: int) -> int:
    """Run the task that standard input holds, for the process `parent`."""
    answers = claim_standard_output()
    die_with_parent(parent)  # other systems than Linux have `_listen` alone

    def say(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    line = sys.stdin.readline()
    threading.Thread(target=_listen, daemon=True).start()
    try:
        task = json.loads(line)
        say({"event": "done", **run(task, say)})
    except EdgeCNNError as error:
        say({"event": "failed", "error": error.message, "hint": error.hint})
    except MemoryError:
        say({"event": "failed", "error": "out of memory", "hint": "allow fewer --workers"})
    except Exception as error:  # noqa: BLE001 (an error of one trial is that trial's result)
        reason = " ".join(str(error).split())[:300]
        say({"event": "failed", "error": f"{type(error).__name__}: {reason}", "hint": ""})
    return 0


def run(task: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Train, convert and judge; `say` hears what the network costs, and every epoch."""
    os.chdir(task["cwd"] if Path(task["cwd"]).is_dir() else Path.cwd())
    dataset = _data(task)
    model, drawn = task["model"], task["drawn"]
    say({"event": "built", **_cost(model, dataset, drawn)})
    accuracies: list[float] = []

    def on_epoch(done: int, numbers: Mapping[str, float]) -> None:
        accuracies.append(numbers["val_accuracy"])
        say({"event": "epoch", "epoch": done, "accuracy": numbers["val_accuracy"]})

    from edgecnn.conversion.convert import convert_one
    from edgecnn.training import train

    folder = Path(task["folder"])
    trained = train(
        model,
        dataset,
        out=folder / "trial.keras",
        epochs=task["epochs"],
        seed=task["seed"],
        input_size=drawn["input_size"],
        network_options=drawn["network"],
        on_epoch=on_epoch,
        **drawn["recipe"],
    )
    artifact = convert_one(
        trained.path, task["target"], calibration=dataset, out=folder, name="trial"
    )
    judged = evaluate_trial(artifact, task["runtime"], dataset, folder)
    return {**judged, "accuracies": accuracies, "file": str(artifact.path)}


def without_test(dataset: Any) -> Any:
    """The data set without its test split: a search must not see it.

    Raises InputError for data without a validation split.
    """
    splits = {name: split for name, split in dataset.splits.items() if name != "test"}
    if "validation" not in splits or "train" not in splits:
        raise InputError(
            f"{dataset.name} has no validation split, which a search needs",
            hint="pass data with train, validation and test",
        )
    return replace(dataset, splits=splits)


def _listen() -> None:
    """The end of the input means that the worker is gone."""
    sys.stdin.read()
    os._exit(1)


def _data(task: Mapping[str, Any]) -> Any:
    import warnings

    from edgecnn.data import DataWarning, load

    wanted = task["data"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the client has said it
        dataset = load(
            wanted["name"],
            data_dir=Path(wanted["data_dir"]) if wanted["data_dir"] else None,
            seed=wanted["seed"],
            strict=wanted["strict"],
            classes=wanted["classes"],
            exif=wanted["exif"],
        )
    if dataset.sha256 != wanted["sha256"]:
        raise InputError(
            f"{dataset.name}: the data set differs from the client's",
            hint="every worker needs the same files under the same path",
        )
    return without_test(dataset)


def _cost(model: str, dataset: Any, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Multiplications of an inference (None where they cannot be counted) and parameters."""
    from edgecnn.errors import UnsupportedError
    from edgecnn.models import outline
    from edgecnn.models.graph import calls, macs
    from edgecnn.training.task import open_task

    subject = open_task(model, dataset, drawn["input_size"])
    network = outline(model, **{**subject.arguments, **drawn["network"]})
    try:
        works = [macs(call) for call in calls(network)]
    except UnsupportedError:
        works = [None]
    counted = [work for work in works if work is not None]
    return {
        "macs": sum(counted) if len(counted) == len(works) else None,
        "parameters": int(network.count_params()),
    }


def evaluate_trial(artifact: Any, runtime: str, dataset: Any, folder: Path) -> dict[str, Any]:
    """Accuracy of a converted file's own outputs on the validation split of data without a test
    split (`without_test`). Raises InputError where the runtime does not answer.
    """
    from edgecnn.benchmarking.measurement_cache import MeasurementCache
    from edgecnn.results import RuntimeOptions

    questions = MeasurementCache(folder / "answers", dataset, folder / "work")
    answer = questions.ask(artifact, runtime, RuntimeOptions())
    row = answer.measurement
    if not answer.answered or row.accuracy is None:
        why = row.error or "; ".join(row.reasons) or "no accuracy"
        raise InputError(f"the converted file on {runtime}: {why}", hint=row.hint or "")
    low, high = row.accuracy.ci95 or (None, None)
    return {
        "accuracy": row.accuracy.value,
        "accuracy_low": low,
        "accuracy_high": high,
        "metric": row.accuracy.metric,
        "samples": row.accuracy.n,
        "name": artifact.path.name,
    }


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1])))  # not sys.exit: a thread waits for standard input
