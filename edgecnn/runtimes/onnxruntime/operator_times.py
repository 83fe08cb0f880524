"""Times of single operators from ONNX Runtime's own profiler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.runtimes.base import Array, OperatorTime, operator_times
from edgecnn.system import scratch

_KERNEL = "_kernel_time"
WARMUP = 3


def profile(
    create: Callable[[str], Any], tensors: Sequence[Sequence[Array]], inferences: int
) -> list[OperatorTime]:
    """Run a session that `create` made to profile into files of a given prefix.

    The profiler knows whole microseconds; operators fused by the optimizer appear as one. The
    first inferences are left out of the account.
    """
    with scratch.folder() as folder:
        session = create(str(folder / "profile"))
        names = [value.name for value in session.get_inputs()]
        feeds = [dict(zip(names, inputs, strict=True)) for inputs in tensors]
        for index in range(WARMUP + inferences):
            session.run(None, feeds[index % len(feeds)])
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return operator_times(_executed(events))


def _executed(
    events: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str, str | None, int]]:
    """(name, type, provider, ns) of each execution of a kernel after the warm-up."""
    runs = sorted(
        (event for event in events if event.get("name") == "model_run"),
        key=lambda event: float(event["ts"]),
    )
    begin = float(runs[WARMUP]["ts"]) if len(runs) > WARMUP else 0.0
    return [
        (
            event["name"].removesuffix(_KERNEL),
            event["args"]["op_name"],
            event["args"].get("provider"),
            int(event["dur"]) * 1_000,
        )
        for event in events
        if event.get("cat") == "Node"
        and event["name"].endswith(_KERNEL)
        and float(event["ts"]) >= begin
    ]
