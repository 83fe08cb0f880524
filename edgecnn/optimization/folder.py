"""The folder of an optimization: what it was asked, so that the same again resumes, and what it
found.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.files import read_json_file, write_text_atomically
from edgecnn.manifest import Artifact, sha256_of
from edgecnn.optimization.outcome import ANSWER_FILE, OptimizationOutcome

if TYPE_CHECKING:
    from edgecnn.optimization.optimize import OptimizationSettings

SETTINGS_FILE = "optimize.json"
RESULTS_FILE = "results.json"
RECIPE_FILE = "recipe.json"
ANSWERS_FOLDER = "answers"


def content_digest(model: Path) -> str:
    """What distinguishes a folder or a file without a manifest from another version of itself."""
    if model.is_file():
        return sha256_of(model)
    files = sorted(path for path in model.rglob("*") if path.is_file()) if model.is_dir() else []
    lines = [f"{path.relative_to(model)} {sha256_of(path)}" for path in files]
    return hashlib.sha256("\n".join([str(model), *lines]).encode()).hexdigest()


def settings_record(
    model: Path, known: Artifact | None, data: Dataset, settings: OptimizationSettings
) -> dict[str, Any]:
    """What decides the answer, as JSON holds it."""
    goal = settings.goal
    return {
        "model": known.sha256 if known else content_digest(model),
        "data": data.sha256,
        "goal": [
            goal.max_drop,
            goal.max_latency_ms,
            goal.max_memory_bytes,
            goal.max_size_bytes,
            goal.objective,
        ],
        "runtimes": list(settings.runtimes),
        "threads": list(settings.threads),
        "seed": settings.seed,
        "samples": settings.samples,
        "protocol": settings.protocol.to_dict(),
    }


def claim_folder(out: Path, wanted: Mapping[str, Any], *, force: bool) -> None:
    """Make `out` the folder of these settings; see `check_folder`."""
    if force:
        for name in (RESULTS_FILE, ANSWER_FILE, RECIPE_FILE):
            (out / name).unlink(missing_ok=True)
        answers = out / ANSWERS_FOLDER
        try:
            if answers.exists():
                shutil.rmtree(answers)
        except OSError as error:
            raise InputError(
                f"cannot remove {answers}: {error.strerror}", hint="choose another --out"
            ) from error
    write_text_atomically(out / SETTINGS_FILE, json.dumps(wanted, indent=2) + "\n")


def check_folder(out: Path, wanted: Mapping[str, Any], *, force: bool) -> None:
    """Raise InputError where `out` is another optimization's folder, or holds something else."""
    path = out / SETTINGS_FILE
    if path.exists() and not force:
        there = read_json_file(path)
        there = there if isinstance(there, dict) else {}
        wanted = json.loads(json.dumps(wanted))
        # Another goal over the same files resumes: what was asked stays answered.
        different = sorted(
            name for name in wanted if name != "goal" and there.get(name) != wanted[name]
        )
        if different:
            raise InputError(
                f"{out} holds an optimization with other settings ({', '.join(different)})",
                hint="choose another --out, or pass --force to start over there",
            )
    elif out.is_dir() and any(out.iterdir()) and not path.exists() and not force:
        raise InputError(
            f"{out} is not empty and holds no optimization",
            hint="choose another --out, or pass --force",
        )


def save(outcome: OptimizationOutcome, out: Path) -> None:
    """Write the answer, and how the file that is accepted is made."""
    write_text_atomically(out / ANSWER_FILE, json.dumps(outcome.to_dict(), indent=2) + "\n")
    if outcome.choice is None or not outcome.accepted:
        (out / RECIPE_FILE).unlink(missing_ok=True)  # of an earlier answer
    else:
        recipe = outcome.choice.tried.recipe.to_dict()
        write_text_atomically(out / RECIPE_FILE, json.dumps(recipe, indent=2) + "\n")
