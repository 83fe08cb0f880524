"""Times of single layers from OpenVINO's performance counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

from edgecnn.registry import require
from edgecnn.runtimes.base import Array, OperatorTime, operator_times

WARMUP = 5


class _Layer(NamedTuple):
    """A layer; `kernel` is what runs it, as in brgemm_avx512_bf16."""

    name: str
    type: str
    kernel: str


def profile(
    compiled: Any, device: str, tensors: Sequence[Sequence[Array]], inferences: int
) -> list[OperatorTime]:
    """Run a model that was compiled with PERF_COUNT; the counters know whole microseconds.

    Layers that the compiler fused away or computed beforehand are left out. On the CPU a
    counter gives the mean since the model was compiled, first inference included (4 ms of
    kernel generation in a dense layer that then takes 2 µs): what the inferences after the
    warm-up took follows from two readings, and `median_ns` is their mean.
    """
    openvino = require("openvino", "openvino")
    requests = []
    for inputs in tensors:
        request = compiled.create_infer_request()
        for index, tensor in enumerate(inputs):
            request.set_input_tensor(index, openvino.Tensor(tensor, shared_memory=True))
        requests.append(request)
    turns = cycle(requests)
    warm = [_read(request) for request in islice(turns, WARMUP)]
    readings = [_read(request) for request in islice(turns, inferences)]
    if device == "cpu":
        return operator_times(_since(warm[-1], readings[-1], WARMUP, inferences))
    return operator_times(
        (layer.name, layer.type, layer.kernel, spent)
        for reading in readings
        for layer, spent in reading.items()
    )


def _read(request: Any) -> dict[_Layer, int]:
    """Infer once; nanoseconds of each layer that was executed."""
    request.infer()
    return {
        _Layer(layer.node_name, layer.node_type, layer.exec_type): round(
            layer.real_time.total_seconds() * 1e9
        )
        for layer in request.get_profiling_info()
        if str(layer.status).endswith("EXECUTED")  # inputs and constants are NOT_RUN
    }


def _since(
    before: Mapping[_Layer, int], after: Mapping[_Layer, int], first: int, more: int
) -> Iterator[tuple[str, str, str, int]]:
    """What `more` executions took on average, given the means after `first` and after all."""
    for layer, mean in after.items():
        spent = (mean * (first + more) - before.get(layer, mean) * first) / more
        yield (*layer, max(round(spent), 0))
