"""One network of `benchmarks/optimize.py`, its data and the folder of what its parts found."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import optimize_networks as networks

from edgecnn.data.base import Dataset
from edgecnn.embedded_manifest import load_artifact
from edgecnn.optimization.data_split import DataParts, divide

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "runs" / "benchmarks" / "optimize"
THREADS = (1, 2)


@dataclass(frozen=True)
class Job:
    """One network with its data and the folder of its parts."""

    name: str
    data_root: Path
    nncf: Path | None

    @property
    def folder(self) -> Path:
        return WORK / self.name

    @property
    def threads(self) -> tuple[int, ...]:
        return THREADS if networks.NETWORKS[self.name].full else (1,)

    @property
    def model(self) -> Path:
        return networks.path_of(self.name, self.folder)

    def part(self, name: str) -> dict[str, Any]:
        """What an earlier part found. Raises SystemExit where it is to be run first."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            sys.exit(f"{self.name}: run part {name} first")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    @cache  # noqa: B019 (one for each network of one process)
    def dataset(self) -> Dataset:
        return networks.dataset(self.name, self.data_root)

    @cache  # noqa: B019
    def parts(self) -> DataParts:
        return divide(self.dataset(), load_artifact(self.model).manifest)
