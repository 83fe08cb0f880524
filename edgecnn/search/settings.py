"""Settings of a search, and which of them a resumed run must share."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.conversion.targets import parse_targets
from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.files import read_json_file, write_text_atomically
from edgecnn.registry import RUNTIMES, unknown_name
from edgecnn.runtimes import parse_configuration, without_version
from edgecnn.search.space import SearchSpace
from edgecnn.search.study import SAMPLERS
from edgecnn.search.trials import SearchGoal
from edgecnn.search.worker_pool import Cluster

SETTINGS_FILE = "search.json"
ANSWER_FILE = "answer.json"
RESULTS_FILE = "results.json"
PAGE_FILE = "report.html"
FINALISTS_FILE = "finalists.json"
TRAINED = "trained"
"""The folder of finalists that were trained as long as a winner is."""
_BRIEF = resolve("quick", processes=3)
_FINAL = resolve("quick", processes=8, max_secs=16)
_PRUNING = ("median", "none")


@dataclass(frozen=True)
class DataName:
    """A data set by its name, as `edgecnn.data.load` takes it: workers load it themselves."""

    name: str
    data_dir: Path | None = None
    seed: int = 0
    strict: bool = False
    classes: tuple[str, ...] = ()
    exif: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            **asdict(self),
            "data_dir": str(self.data_dir.absolute()) if self.data_dir else "",
            "classes": list(self.classes),
        }


@dataclass(frozen=True)
class SearchSettings:
    """Everything that a search is asked for.

    `threads` are those of the measured runtime, `trial_threads` those that each training may use
    (None: this machine's cores over the workers; all cores of each machine of a cluster). `epochs`
    are a trial's and `final_epochs` the winner's (None: the network's own). `pruning` is "median"
    (see `pruning`) or "none", `sampler` "tpe" or "random".
    """

    model: str
    data: DataName
    wanted: SearchGoal = field(default_factory=SearchGoal)
    runtime: str = "litert:cpu"
    target: str = ""
    threads: int = 1
    on: str = ""
    trials: int = 30
    timeout_secs: float | None = None
    epochs: int | None = None
    final_epochs: int | None = None
    seed: int = 0
    sampler: str = "tpe"
    pruning: str = "median"
    cluster: Cluster = field(default_factory=Cluster)
    trial_threads: int | None = None
    protocol: Protocol = _BRIEF
    final_protocol: Protocol = _FINAL

    def __post_init__(self) -> None:
        for name, number in (
            ("--trials", self.trials),
            ("--threads", self.threads),
            ("--epochs", self.epochs),
            ("--final-epochs", self.final_epochs),
            ("--trial-threads", self.trial_threads),
        ):
            if number is not None and number < 1:
                raise InputError(f"{name} takes a number from 1, received: {number}")
        if self.sampler not in SAMPLERS:
            raise unknown_name("sampler", self.sampler, SAMPLERS)
        if self.pruning not in _PRUNING:
            raise unknown_name("pruning", self.pruning, _PRUNING)
        if self.file_format not in ("tflite", "onnx"):
            raise InputError(
                f"a search converts to tflite or onnx, received: {self.file_target}",
                hint="as in --to tflite:static_int8",
            )
        runtime = RUNTIMES.load(without_version(parse_configuration(self.runtime)[0]))
        if not runtime.reads(self.file_format):
            raise InputError(
                f"{self.runtime} does not read {self.file_format} files",
                hint=f"it reads: {', '.join(runtime.formats)}; choose with --to",
            )

    @property
    def file_target(self) -> str:
        """What trials are converted to: int8 of the first format that the runtime reads."""
        if self.target:
            return self.target
        runtime = RUNTIMES.load(without_version(parse_configuration(self.runtime)[0]))
        formats = [name for name in ("tflite", "onnx") if runtime.reads(name)]
        return f"{formats[0] if formats else runtime.formats[0]}:static_int8"

    @property
    def file_format(self) -> str:
        targets = parse_targets(self.file_target)
        if len(targets) != 1:
            raise InputError(
                f"a search converts to one target, received: {self.file_target}",
                hint="as in --to tflite:static_int8",
            )
        return targets[0].format

    def record(self, space: SearchSpace, sha256: str) -> dict[str, Any]:
        """What must be the same for a search to be resumed. How long it takes, and where trials
        run, may change.
        """
        return {
            "model": self.model,
            "data": sha256,
            "space": space.to_dict(),
            "objectives": list(self.wanted.objectives),
            "limits": self.wanted.limited,
            "runtime": self.runtime,
            "target": self.file_target,
            "threads": self.threads,
            "on": self.on,
            "epochs": self.epochs,
            "seed": self.seed,
            "sampler": self.sampler,
            "pruning": self.pruning,
        }


def claim_folder(out: Path, record: Mapping[str, Any], *, force: bool) -> str:
    """Make `out` the folder of these settings; the name of the study that belongs to it.

    Raises InputError where it is another search's, or holds something else.
    """
    path = out / SETTINGS_FILE
    wanted = json.loads(json.dumps(record))
    if path.exists() and not force:
        previous = read_json_file(path)
        previous = previous if isinstance(previous, dict) else {}
        before = previous.get("settings")
        before = before if isinstance(before, dict) else {}
        different = sorted(name for name in wanted if before.get(name) != wanted[name])
        study = previous.get("study")
        if different or not isinstance(study, str) or not study.startswith("edgecnn "):
            raise InputError(
                f"{out} holds a search with other settings ({', '.join(different) or 'damaged'})",
                hint="choose another --out, or pass --force to start over there",
            )
        return study
    if out.is_dir() and any(out.iterdir()) and not path.exists() and not force:
        raise InputError(
            f"{out} is not empty and holds no search", hint="choose another --out, or pass --force"
        )
    if force:
        for name in (ANSWER_FILE, RESULTS_FILE, FINALISTS_FILE, PAGE_FILE):
            (out / name).unlink(missing_ok=True)
        for folder in ("trials", TRAINED):
            if (out / folder).exists():
                shutil.rmtree(out / folder)
    study = f"edgecnn {wanted['model']} {secrets.token_hex(4)}"
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"study": study, "settings": wanted}, indent=2)
    write_text_atomically(path, text + "\n")
    return study


__getattr__ = old_names(__name__, {"Settings": "SearchSettings"})
