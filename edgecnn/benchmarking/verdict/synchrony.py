"""Calls that return before the result is there: their latency is not that of an inference."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.results import Measurement

READ_NS_PER_BYTE = 1.0
LONGEST_READ_NS = 100_000


def asynchronous(measurement: Measurement) -> Iterator[str]:
    synchrony = measurement.pass_result("synchrony")
    if not synchrony or "error" in synchrony:
        return
    call_ms, read_ms = synchrony["call_ns"] / 1e6, synchrony["read_ns"] / 1e6
    expected_ns = LONGEST_READ_NS + READ_NS_PER_BYTE * synchrony["output_bytes"]
    if synchrony["changed_later"]:
        yield (
            f"asynchronous return: the outputs still changed after the call came back in "
            f"{call_ms:.3g} ms; the runtime must wait for the device"
        )
    elif synchrony["read_ns"] > max(expected_ns, synchrony["call_ns"]):
        yield (
            f"asynchronous return: the call came back in {call_ms:.3g} ms, the result was there "
            f"{read_ms:.3g} ms later; the runtime must wait for the device"
        )
