"""A stage in a thread of its own, a few results ahead of whoever takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

POLL_S = 0.1
CLOSING_S = 2.0


class StageThread(Generic[Item]):
    """Calls `produce` again and again until it returns None, and keeps at most `room` results.

    What `produce` raises is raised where the results are taken, after those before it.
    """

    def __init__(self, name: str, produce: Callable[[], Item | None], room: int) -> None:
        self.finished = False
        self._produce = produce
        self._queue: queue.Queue[Item] = queue.Queue(room)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def poll(self, timeout_s: float) -> Item | None:
        """The next result, or None when none came in time; then `finished` says whether more
        will.
        """
        ended = self._ended.is_set()  # asked before the queue: what was put before is still there
        try:
            return self._queue.get(timeout=timeout_s) if not ended else self._queue.get_nowait()
        except queue.Empty:
            if ended:
                self.finished = True
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error from None
            return None

    def get(self) -> Item | None:
        """Wait for the next result; None at the end and when it was stopped."""
        while not self.finished and not self._stop.is_set():
            item = self.poll(POLL_S)
            if item is not None:
                return item
        return None

    def stop(self) -> None:
        """Let the thread go after the result that it is at."""
        self._stop.set()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(CLOSING_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                item = self._produce()
                if item is None:
                    return
                self._put(item)
        except BaseException as error:  # noqa: BLE001 (raised again where results are taken)
            self._error = error
        finally:
            self._ended.set()

    def _put(self, item: Item) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return
