"""What a search looks for, and where its trials run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options.collecting import collected
from edgecnn.cli.options.defaults import defaulted, without_none
from edgecnn.cli.options.kinds import FILE, Command
from edgecnn.cli.options.limits import LimitOptions

if TYPE_CHECKING:
    from edgecnn.search.trials import SearchGoal
    from edgecnn.search.worker_pool import Cluster


@dataclass(frozen=True)
class ObjectiveOptions:
    """What steers a search, and what its winner is best at, as the options say it."""

    objectives: str | None
    objective: str | None
    max_drop: str | None

    def goal(self, limits: LimitOptions) -> SearchGoal:
        """The goal within the limits. Raises InputError for what makes no sense."""
        from edgecnn.search.trials import SearchGoal

        names = None
        if self.objectives is not None:
            names = tuple(part.strip() for part in self.objectives.split(",") if part.strip())
        return SearchGoal(
            **limits.parse(),
            choice=self.objective or "",
            max_drop=_points(self.max_drop) if self.max_drop else None,
            **without_none(objectives=names),
        )


@dataclass(frozen=True)
class WorkerOptions:
    """Where trials run, as the options say it."""

    workers: int | None
    trial_threads: int | None
    cluster: str
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None

    def resolve(self) -> Cluster:
        """The workers of this machine or of a cluster. Raises InputError for what makes no
        sense.
        """
        from edgecnn.search.worker_pool import Cluster

        return Cluster(
            address=self.cluster,
            ca=self.tls_ca,
            certificate=self.tls_cert,
            key=self.tls_key,
            **without_none(workers=self.workers),
        )


def search_objectives() -> Callable[[Command], Command]:
    """--objectives, --objective and --max-drop, given to the command as one `objectives`."""
    return collected(
        "objectives",
        ObjectiveOptions,
        {
            "objectives": defaulted(
                "--objectives",
                default_text="accuracy,latency",
                help="What steers the trials: accuracy with latency, size or memory.",
            ),
            "objective": click.option(
                "--objective",
                type=click.Choice(["accuracy", "latency", "size", "memory"]),
                help="Objective for choosing the winner [accuracy with a limit, else latency "
                "without losing accuracy].",
            ),
            "max_drop": click.option(
                "--max-drop",
                metavar="POINTS",
                help="Percentage points that the winner may lose against the first trial.",
            ),
        },
    )


def search_workers() -> Callable[[Command], Command]:
    """--workers, --trial-threads, --cluster and the files for TLS, given to the command as one
    `workers`.
    """
    return collected(
        "workers",
        WorkerOptions,
        {
            "workers": defaulted(
                "--workers", type=int, default_text="1", help="Trials at the same time."
            ),
            "trial_threads": click.option(
                "--trial-threads",
                type=int,
                help="Threads of each training [cores over workers; in a cluster all cores].",
            ),
            "cluster": click.option(
                "--cluster",
                default="",
                metavar="ADDRESS",
                help="Dask scheduler, tcp://host:8786.",
            ),
            "tls_ca": click.option(
                "--tls-ca", type=FILE, help="Certificate authority of the cluster."
            ),
            "tls_cert": click.option(
                "--tls-cert", type=FILE, help="Certificate to show to the cluster."
            ),
            "tls_key": click.option("--tls-key", type=FILE, help="Key of that certificate."),
        },
    )


def _points(text: str) -> float:
    """Percentage points; a search, unlike `optimize`, may allow none."""
    from edgecnn.optimization.goal import parse_points

    return 0.0 if text.strip(" 0.%") == "" else parse_points(text)
