"""Times of single layers from OpenVINO's performance counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgecnn.registry import require
from edgecnn.runtimes.base import Array, OperatorTime, operator_times

WARMUP = 3


def profile(
    compiled: Any, tensors: Sequence[Sequence[Array]], inferences: int
) -> list[OperatorTime]:
    """Run a model that was compiled with PERF_COUNT; the counters know whole microseconds.

    Layers that the compiler fused away or computed beforehand are left out. A layer's
    `provider` is the kernel that runs it, as in brgemm_avx512_bf16.
    """
    openvino = require("openvino", "openvino")
    requests = []
    for inputs in tensors:
        request = compiled.create_infer_request()
        for index, tensor in enumerate(inputs):
            request.set_input_tensor(index, openvino.Tensor(tensor, shared_memory=True))
        requests.append(request)
    return operator_times(_executed(requests, inferences))


def _executed(
    requests: Sequence[Any], inferences: int
) -> Iterator[tuple[str, str, str | None, int]]:
    for index in range(WARMUP + inferences):
        request = requests[index % len(requests)]
        request.infer()
        if index < WARMUP:
            continue
        for layer in request.get_profiling_info():
            # Inputs and constants are listed too, with status NOT_RUN.
            if str(layer.status).endswith("EXECUTED"):
                spent = layer.real_time.total_seconds() * 1e9
                yield layer.node_name, layer.node_type, layer.exec_type, round(spent)
