"""What property tests of readers share: damage to a valid file, and a limit on its memory."""

from __future__ import annotations

import copy
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

CPU_SECONDS, SECONDS = 20, 300
"""A reader of a file of some kilobytes that computes, or waits, for so long does not end."""

WRONG = (
    None, True, False, 0, -1, 3.5, 1e308, float("nan"), float("inf"), 10**30, "", "text", "\ud800",
    "\x1b[2J", [], {}, [[]], [None], {"a": None}, ["text"] * 3,
)  # fmt: skip
"""What a field is replaced by."""


@contextmanager
def limited_memory(memory_bytes: int) -> Iterator[None]:
    """Fail when what happens inside takes `memory_bytes` more than before, or never ends."""

    def too_long(number: int, _frame: Any) -> None:
        limit = SECONDS if number == signal.SIGALRM else CPU_SECONDS
        raise AssertionError(f"it ran for more than {limit} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    timers = (
        (signal.SIGALRM, signal.ITIMER_REAL, SECONDS),
        (signal.SIGPROF, signal.ITIMER_PROF, CPU_SECONDS),
    )
    before = {number: signal.signal(number, too_long) for number, _, _ in timers}
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + memory_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        for number, timer, _ in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with a few bytes changed, cut out, doubled or cut off; often still a valid file."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 8))
        how = draw(st.sampled_from(("set", "flip", "ones", "cut", "double", "end", "insert")))
        if how == "set":
            data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "ones":
            data[at : at + length] = b"\xff" * length
        elif how == "cut":
            del data[at : at + length]
        elif how == "double":
            data[at:at] = data[at : at + 64 * length]
        elif how == "end":
            del data[at:]
        else:
            data[at:at] = draw(st.binary(max_size=length))
    return bytes(data)


@st.composite
def changed_json(draw: st.DrawFn, document: Any) -> Any:
    """A JSON document in which a few values were replaced, removed or added."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        holder = changed
        for _ in range(draw(st.integers(0, 8))):
            inner = [
                value for value in _values(holder) if isinstance(value, (dict, list)) and value
            ]
            if not inner:
                break
            holder = draw(st.sampled_from(inner))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = draw(st.sampled_from(keys)) if keys else None
        how = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add")))
        if how == "add" and isinstance(holder, dict):
            holder["further"] = copy.deepcopy(draw(st.sampled_from(WRONG)))
        elif key is not None and how == "remove":
            del holder[key]
        elif key is not None:
            holder[key] = copy.deepcopy(draw(st.sampled_from(WRONG)))
    return changed


def _values(holder: Any) -> list[Any]:
    return list(holder.values()) if isinstance(holder, dict) else list(holder)


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    raise AssertionError("this system does not say how much memory a process has")
