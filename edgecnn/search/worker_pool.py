"""The Dask workers that trials run on: processes of this machine, or a cluster that is there.

What Dask does by itself and a search must not rely on:

- It waits for ever when no worker is there (`no-workers-timeout` is unset): everything here has a
  deadline.
- It runs a task again whose worker seems dead. A local cluster is set not to; elsewhere an
  attempt has a number, so that a second one is not taken for the first. A trial runs in a process
  of its own, so that its worker always answers.
- Tasks bound to a worker's name are stuck when it restarts under another: no task is bound.
- A scheduler keeps no state: the database does, and a new cluster takes up where it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.registry import require
from edgecnn.search import dask_worker

CONNECT_SECS = 15.0
MOST_ATTEMPTS = 3
WORKERS_SECS = 60.0
"""How long the first worker may take to come, and how long the last one may be away."""


class ClusterError(EdgeCNNError):
    """A scheduler or workers that do not respond or have disconnected."""

    exit_code = 3


@dataclass(frozen=True)
class Cluster:
    """Where trials run: `workers` processes here, or the scheduler at `address`.

    `ca`, `certificate` and `key` are files for TLS, all or none.
    """

    workers: int = 1
    address: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"--workers takes a number from 1, received: {self.workers}")
        files = (self.ca, self.certificate, self.key)
        if any(files) and not all(files):
            raise InputError(
                "TLS takes three files: --tls-ca, --tls-cert and --tls-key",
                hint="pass all of them, or none",
            )
        for path in files:
            if path is not None and not path.is_file():
                raise InputError(f"no such file: {path}")
        if not self.address:
            if any(files):
                raise InputError("--tls-… is for a cluster elsewhere", hint="add --cluster")
            return
        scheme, host, port = self._parts()
        if scheme not in ("tcp", "tls") or not host or not port:
            raise InputError(
                f"invalid scheduler address: {self.address[:80]}",
                hint="as in tcp://scheduler:8786, or tls://scheduler:8786 with --tls-…",
            )
        if scheme == "tls" and not any(files):
            raise InputError(
                "tls:// needs --tls-ca, --tls-cert and --tls-key",
                hint="the files that the scheduler and its workers were started with",
            )

    @property
    def secure(self) -> bool:
        """Whether what goes over the network is encrypted, and both ends prove who they are."""
        return self.ca is not None

    @property
    def open_to_others(self) -> bool:
        """Whether others than this machine's users could talk to the scheduler as we do."""
        return bool(self.address) and not self.secure and not _is_loopback(self._parts()[1])

    @property
    def target(self) -> str:
        """The address as Dask takes it."""
        _, host, port = self._parts()
        bracketed = f"[{host}]" if ":" in host else host
        return f"{'tls' if self.secure else 'tcp'}://{bracketed}:{port}"

    def _parts(self) -> tuple[str, str, int]:
        try:
            parts = urlsplit(self.address)
            return parts.scheme, parts.hostname or "", parts.port or 0
        except ValueError:
            return "", "", 0


@dataclass(frozen=True)
class TrialEvent:
    """What a trial said while it runs (`message`), or what became of it (`answer`, or `lost`)."""

    token: str
    message: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    lost: str = ""


class WorkerPool:
    """Workers, and the trials that they carry. Use `open_worker_pool`."""

    def __init__(self, client: Any, local: Any, threads: int) -> None:
        self._client = client
        self._local = local
        self._threads = threads
        self._inbox: queue.SimpleQueue[TrialEvent] = queue.SimpleQueue()
        self._futures: dict[str, Any] = {}
        self._known: set[str] = set()
        self._homes: dict[str, str] = {}
        self._empty_since: float | None = None
        self.versions: Mapping[str, str] = dask_worker.facts()["versions"]
        client.subscribe_topic(dask_worker.TOPIC, self._noted)

    @property
    def running(self) -> int:
        """Trials that were handed out and have not come back."""
        return len(self._futures)

    @property
    def size(self) -> int:
        """Workers that are there now."""
        return len(self._workers())

    def submit(self, task: Mapping[str, Any]) -> None:
        """Hand a trial to whatever worker is free."""
        token = task["token"]
        whole = {**task, "versions": dict(self.versions), "threads": self._threads}
        self._known.add(token)  # before anything can be heard of it
        future = self._client.submit(
            dask_worker.run_trial, whole, key=f"edgecnn-{token}", pure=False, retries=0
        )
        self._futures[token] = future
        future.add_done_callback(lambda finished: self._inbox.put(self._came(token, finished)))

    def next(self, secs: float) -> TrialEvent | None:
        """What happens next, None when nothing does for so long.

        Raises ClusterError when the scheduler or the last worker is lost for good.
        """
        try:
            event = self._inbox.get(timeout=secs)
        except queue.Empty:
            self._check()
            return None
        if event.message is None:
            self._futures.pop(event.token, None)
            self._known.discard(event.token)
            self._homes.pop(event.token, None)
        return event

    def stop(self, token: str) -> None:
        """End a trial at once."""
        home = self._homes.get(token)
        if home is not None:
            self._run(dask_worker.stop, token, workers=[home])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Halt the trials on this machine while something is measured on it."""
        here = [
            address for address, facts in self._facts().items()
            if facts["machine"] == dask_worker.this_machine()
        ]  # fmt: skip
        if here:
            self._run(dask_worker.pause, on=True, workers=here)
        try:
            yield
        finally:
            left = set(here)
            for _ in range(MOST_ATTEMPTS):  # a trial that stays halted never ends
                left &= self._workers().keys()
                if left:
                    left -= self._run(dask_worker.pause, on=False, workers=sorted(left)).keys()

    def close(self) -> None:
        """End what the workers do, and let them go."""
        if self._futures:
            self._run(dask_worker.stop)
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)
        if self._local is not None:
            with contextlib.suppress(Exception):
                self._local.close(timeout=5)

    def _noted(self, event: tuple[float, Any]) -> None:
        _, message = event
        if not isinstance(message, Mapping) or message.get("token") not in self._known:
            return
        self._homes[message["token"]] = str(message["worker"])
        self._inbox.put(TrialEvent(message["token"], message=message))

    def _came(self, token: str, future: Any) -> TrialEvent:
        if future.status == "finished":
            answer = future.result()
            if answer.get("died"):
                return TrialEvent(token, lost=answer["error"])
            return TrialEvent(token, answer=answer)
        if future.status in ("cancelled", "lost"):
            return TrialEvent(token, lost="the scheduler forgot it")
        error = future.exception()
        name = type(error).__name__
        if name in ("KilledWorker", "CommClosedError"):
            return TrialEvent(token, lost="its worker was killed")
        message = " ".join(str(error).split())[:300]
        return TrialEvent(
            token, answer={"event": "failed", "error": f"{name}: {message}", "hint": ""}
        )

    def _workers(self) -> Mapping[str, Any]:
        workers: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1).get("workers", {})
        return workers

    def _check(self) -> None:
        if self._client.status != "running":
            raise ClusterError(
                f"lost connection to the scheduler ({self._client.status})",
                hint="start it, then run the same command again to resume",
            )
        if self._workers():
            self._empty_since = None
            return
        now = time.monotonic()
        self._empty_since = self._empty_since or now
        if now - self._empty_since > WORKERS_SECS:
            raise ClusterError(
                f"no worker has been connected for {WORKERS_SECS:.0f} s",
                hint="start some, then run the same command again to resume",
            )

    def _run(self, function: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Run a function in workers; one that has disconnected is left out."""
        try:
            answers: dict[str, Any] = self._client.run(
                function, *arguments, on_error="ignore", **options
            )
        except (OSError, ValueError, TimeoutError):
            return {}
        return answers

    def _facts(self) -> dict[str, Any]:
        return self._run(dask_worker.facts)


@contextmanager
def open_worker_pool(cluster: Cluster, threads: int = 1) -> Iterator[WorkerPool]:
    """Workers until the block ends. `threads` is what each trial may use; 0 are all cores of the
    machine that it runs on.

    Raises ClusterError for a scheduler that does not answer and for a cluster without workers,
    InputError for workers with other versions than ours.
    """
    require("distributed", "search")
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    settings = {
        "distributed.comm.timeouts.connect": f"{CONNECT_SECS}s",
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.daemon": True,
        "distributed.admin.low-level-log-length": 100,
    }
    with dask.config.set(settings):
        local = None if cluster.address else _local(cluster.workers)
        try:
            client = _connected(Client, cluster, local)
        except BaseException:
            if local is not None:
                local.close(timeout=5)
            raise
        crew = WorkerPool(client, local, threads)
        try:
            _check_workers(crew, client, cluster)
            yield crew
        finally:
            crew.close()


def _local(workers: int) -> Any:
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls",
            security=True,  # certificates of its own: another user here cannot talk to it
            dashboard_address="127.0.0.1:0",  # None is port 8787, whoever has it
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
    except (RuntimeError, OSError, TimeoutError) as error:
        message = " ".join(str(error).split())[:160]
        raise ClusterError(
            f"cannot start {workers} workers here: {message}", hint="try fewer --workers"
        ) from error


def _connected(kind: Any, cluster: Cluster, local: Any) -> Any:
    from distributed.security import Security

    if local is not None:
        return kind(local, timeout=CONNECT_SECS, set_as_default=False)
    security = Security()
    if cluster.secure:
        security = Security(
            tls_ca_file=str(cluster.ca),
            tls_client_cert=str(cluster.certificate),
            tls_client_key=str(cluster.key),
            require_encryption=True,
        )
    try:
        # A client that fails to connect leaves threads that complain when the process ends.
        asyncio.run(_greet(cluster.target, security))
        return kind(cluster.target, timeout=CONNECT_SECS, set_as_default=False, security=security)
    # What is not a scheduler may seem to announce a message of an exabyte.
    except (OSError, TimeoutError, ValueError, TypeError, MemoryError, OverflowError) as error:
        message = " ".join(str(error).split())[:160]
        raise ClusterError(
            f"the scheduler at {cluster.target} does not answer: {message}",
            hint="is it running, and reached from here? TLS needs --tls-ca, --tls-cert, --tls-key",
        ) from error


async def _greet(address: str, security: Any) -> None:
    """Connect once and see that a Dask scheduler answers."""
    from distributed.comm import connect

    connection = await connect(
        address, timeout=CONNECT_SECS, **security.get_connection_args("client")
    )
    await connection.close()


def _check_workers(crew: WorkerPool, client: Any, cluster: Cluster) -> None:
    where = cluster.target if cluster.address else "this machine"
    try:
        client.wait_for_workers(1, timeout=WORKERS_SECS)
    except TimeoutError:
        raise ClusterError(
            f"{where}: no worker came within {WORKERS_SECS:.0f} s",
            hint="start one with: dask worker ADDRESS --nthreads 1",
        ) from None
    try:
        answers = client.run(dask_worker.facts, on_error="return")
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"{where}: its workers do not answer ({error})") from error
    for address, facts in answers.items():
        if not isinstance(facts, Mapping):
            message = " ".join(str(facts).split())[:160]
            raise InputError(
                f"the worker at {address} cannot run edgecnn: {message}",
                hint="install the same edgecnn[search] there",
            )
        for name, version in crew.versions.items():
            if facts["versions"].get(name) != version:
                raise InputError(
                    f"the worker at {address} has {name} {facts['versions'].get(name, 'none')}, "
                    f"here it is {version}",
                    hint="trials would not be comparable: install the same versions everywhere",
                )
    if not cluster.address:
        client.run(dask_worker.ignore_interrupts)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
