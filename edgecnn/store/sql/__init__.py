"""Results in a database: SQLite in one file, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from edgecnn.results import Measurement, Results
from edgecnn.store import address as places
from edgecnn.store.history import METRICS, Series
from edgecnn.store.sql import jobs, opening, pruning, reading, writing
from edgecnn.store.sql.baselines import StoredBaseline, find_baselines
from edgecnn.store.sql.identity import storable
from edgecnn.store.sql.jobs import QueuedJob
from edgecnn.store.sql.packed import PackedResults, pack
from edgecnn.store.sql.pruning import Pruned
from edgecnn.store.sql.reading import MeasurementFilter, StoredResults
from edgecnn.store.sql.writing import Added

__all__ = [
    "Added",
    "Database",
    "MeasurementFilter",
    "PackedResults",
    "Pruned",
    "QueuedJob",
    "StoredBaseline",
    "StoredResults",
    "pack",
]


class Database:
    """An open database of results. Each method is one transaction."""

    def __init__(self, engine: sa.Engine, safe_address: str) -> None:
        self.engine = engine
        self.safe_address = safe_address
        """The address without a password."""

    @classmethod
    def open(cls, address: str | None = None) -> Database:
        """Open the database at `address`, EDGECNN_DB's or the default one, and migrate it."""
        place = places.find(address)
        engine = opening.engine_for(place)
        try:
            opening.migrate(engine, place)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, place.safe_address)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(
        self, results: Results, *, label: str = "main", commit: str = "", machine: str = ""
    ) -> Added:
        """Store results; what is stored already is not stored twice."""
        return self.add_packed(pack(results, machine), label=label, commit=commit)

    def add_packed(self, packed: PackedResults, *, label: str, commit: str = "") -> Added:
        """Store what `pack` made of results, perhaps in another process."""
        label, commit = storable(label), storable(commit)
        with opening.writing(self.engine, self.safe_address) as connection:
            return writing.insert(connection, packed, label, commit)

    def add_many(
        self, packed: Sequence[PackedResults], *, label: str, commit: str = ""
    ) -> list[Added]:
        """Store several sessions in one transaction: all of them or none."""
        label, commit = storable(label), storable(commit)
        ids: writing.Ids = {}
        with opening.writing(self.engine, self.safe_address) as connection:
            return [writing.insert(connection, one, label, commit, ids=ids) for one in packed]

    def sessions(self, label: str = "") -> list[StoredResults]:
        """All sessions, or those with the label; the oldest first."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return reading.list_sessions(connection, storable(label))

    def labels(self) -> list[str]:
        """All labels, sorted."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return reading.list_labels(connection)

    def load(self, session: int) -> Results:
        """A session as it was saved. Raises InputError when there is none of that number."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return reading.read_session(connection, session)

    def rows(self, numbers: Iterable[int]) -> Mapping[int, Measurement]:
        """Measurements by their ids; damaged ones are absent."""
        wanted: Sequence[int] = list(numbers)
        with opening.reading(self.engine, self.safe_address) as connection:
            return reading.read_rows(connection, wanted)

    def history(self, wanted: MeasurementFilter, metric: str = "p50") -> list[Series]:
        """A series for each configuration and machine, with change points."""
        with opening.reading(self.engine, self.safe_address) as connection:
            wanted = replace(wanted, model=storable(wanted.model), label=storable(wanted.label))
            history = reading.read_history(connection, wanted, METRICS[metric])
        return [series.with_changes() for series in history]

    def baselines(
        self, results: Results, label: str, *, machine: str = "", most: int = 20
    ) -> list[StoredBaseline]:
        """For each row of `results` what is stored of its configuration with that label."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return find_baselines(connection, results, storable(label), machine, most)

    def enqueue(
        self, digest: str, board: str, document: Mapping[str, Any], *, again: bool = False
    ) -> None:
        """Add a job for a board; see `jobs.enqueue`."""
        with opening.writing(self.engine, self.safe_address) as connection:
            jobs.enqueue(connection, digest, board, document, again=again)

    def take(
        self,
        client: str,
        digests: Sequence[str] = (),
        *,
        board: str = "",
        without: Sequence[int] = (),
    ) -> QueuedJob | None:
        """A free job, from now on this client's; see `jobs.take`."""
        with opening.writing(self.engine, self.safe_address) as connection:
            return jobs.take(connection, client, digests, board=board, without=without)

    def renew_all(self, numbers: Sequence[int], client: str) -> set[int]:
        """Keep jobs that were taken; those that this client still has."""
        with opening.writing(self.engine, self.safe_address) as connection:
            return jobs.renew_all(connection, numbers, client)

    def release_all(self, clients: Sequence[str]) -> None:
        """Free the jobs of clients that are known to be gone."""
        with opening.writing(self.engine, self.safe_address) as connection:
            jobs.release_all(connection, clients)

    def busy_clients(self) -> list[str]:
        """Clients that have jobs."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return jobs.busy_clients(connection)

    def waiting_boards(self) -> list[str]:
        """Boards for which jobs wait, the one with the oldest first."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return jobs.waiting_boards(connection)

    def complete(
        self, job: QueuedJob, results: Results, *, label: str, machine: str = "", error: str = ""
    ) -> bool:
        """Store the results of a job and note that it is done (with an `error`: that it failed),
        both or neither; False where another client has it by now.
        """
        packed = pack(results, machine)
        with opening.writing(self.engine, self.safe_address) as connection:
            if not jobs.renew(connection, job.id, job.client):
                return False
            added = writing.insert(connection, packed, storable(label))
            return jobs.finish(
                connection, job.id, job.client, session=added.session, error=storable(error)
            )

    def renew(self, job: QueuedJob) -> bool:
        """Keep a job that was taken; False where another client has it by now."""
        with opening.writing(self.engine, self.safe_address) as connection:
            return jobs.renew(connection, job.id, job.client)

    def release(self, job: QueuedJob, *, error: str = "") -> bool:
        """Let a job wait for whoever takes it next, and note why."""
        with opening.writing(self.engine, self.safe_address) as connection:
            return jobs.release(connection, job.id, job.client, error=storable(error))

    def finish(self, job: QueuedJob, *, session: int | None = None, error: str = "") -> bool:
        """Note what became of a job that was taken; False where another client has it by now."""
        with opening.writing(self.engine, self.safe_address) as connection:
            return jobs.finish(
                connection, job.id, job.client, session=session, error=storable(error)
            )

    def cancel(self, numbers: Sequence[int]) -> set[int]:
        """Remove jobs that nobody works on; the numbers of those that were removed."""
        with opening.writing(self.engine, self.safe_address) as connection:
            return jobs.cancel(connection, numbers)

    def jobs(self) -> list[QueuedJob]:
        """All jobs, the oldest first."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return jobs.listed(connection)

    def now(self) -> float:
        """Seconds since 1970 by the clock that jobs are leased by."""
        with opening.reading(self.engine, self.safe_address) as connection:
            return jobs.now(connection)

    def prune(
        self,
        *,
        before: float | None = None,
        label: str = "",
        samples_only: bool = False,
        dry_run: bool = False,
    ) -> Pruned:
        """Forget old sessions, or their raw samples alone; see `pruning.prune`."""
        with opening.writing(self.engine, self.safe_address) as connection:
            pruned = pruning.prune(
                connection,
                before=before,
                label=storable(label),
                samples_only=samples_only,
                dry_run=dry_run,
            )
        if pruned.sessions and not dry_run:
            return replace(pruned, given_back=pruning.compact(self.engine))
        return pruned
