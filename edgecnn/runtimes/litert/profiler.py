"""LiteRT's own profiler through its C API; a program that `profile` starts.

The Python package offers no profiler, but `libLiteRt.so`, which it brings, does. This runs in
a process of its own and needs numpy alone: should a later version change a structure, this
program dies and not the one that asked.

Reads a JSON request from standard input (library, model, threads, inferences, warmup, and
inputs: for each inference a mapping from input name to a .npy file), prints a JSON list of
[number in the run, type, microseconds], one entry for each executed operator.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_CPU = 1  # kLiteRtHwAcceleratorCpu
_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
_OPERATORS = (2, 8)  # of the interpreter; of a delegate that profiles its operators (XNNPACK)
_TYPES = frozenset(1 << bit for bit in range(9))
_MAX_DIMENSIONS = 8


class _Layout(ctypes.Structure):
    """LiteRtLayout: the rank in the low seven bits, then dimensions and strides."""

    _fields_ = (
        ("rank", ctypes.c_uint32),
        ("dimensions", ctypes.c_int32 * _MAX_DIMENSIONS),
        ("strides", ctypes.c_uint32 * _MAX_DIMENSIONS),
    )


class _TensorType(ctypes.Structure):
    """LiteRtRankedTensorType."""

    _fields_ = (("element_type", ctypes.c_int32), ("layout", _Layout))


class _Event(ctypes.Structure):
    """ProfiledEventData; the tag is read as a number first, and followed once all fits."""

    _fields_ = (
        ("tag", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_int64 * 6),
        ("metadata", ctypes.c_uint64 * 2),
        ("source", ctypes.c_int32),
    )


class Profiler:
    """A model compiled with profiling on; every failing call raises RuntimeError."""

    def __init__(self, library: str, model: str, threads: int) -> None:
        self._library = ctypes.CDLL(library)
        self._environment = self._make("LiteRtCreateEnvironment", ctypes.c_int(0), None)
        self._model = self._make(
            "LiteRtCreateModelFromFile", self._environment, ctypes.c_char_p(model.encode())
        )
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
        self._add(options, b"runtime_options_string", b"enable_profiling = true\n")
        self._add(options, b"xnnpack", f"num_threads = {threads}\n".encode())
        self._compiled = self._make(
            "LiteRtCreateCompiledModel", self._environment, self._model, options
        )
        self._profiler = self._make("LiteRtCompiledModelGetProfiler", self._compiled)
        self._signature = self._make("LiteRtGetModelSignature", self._model, ctypes.c_size_t(0))

    def run(
        self, feeds: Sequence[Mapping[str, npt.NDArray[Any]]], inferences: int, warmup: int
    ) -> list[tuple[str, str, int]]:
        """(number, type, microseconds) of all operators in `inferences` runs after a warm-up."""
        names = self._names("Input")
        if any(set(names) != feed.keys() for feed in feeds):
            raise RuntimeError(f"the signature takes {names}, received: {sorted(feeds[0])}")
        inputs = [self._input(index, feeds[0][name]) for index, name in enumerate(names)]
        outputs = self._outputs()
        executed: list[tuple[str, str, int]] = []
        for index in range(warmup + inferences):
            feed = feeds[index % len(feeds)]
            for name, buffer in zip(names, inputs, strict=True):
                self._write(buffer, feed[name])
            self._call("LiteRtResetProfiler", self._profiler)
            self._call("LiteRtStartProfiler", self._profiler)
            self._call(
                "LiteRtRunCompiledModel",
                self._compiled,
                ctypes.c_size_t(0),
                ctypes.c_size_t(len(inputs)),
                (ctypes.c_void_p * len(inputs))(*inputs),
                ctypes.c_size_t(len(outputs)),
                (ctypes.c_void_p * len(outputs))(*outputs),
            )
            self._call("LiteRtStopProfiler", self._profiler)
            if index >= warmup:
                executed += self._operators()
        return executed

    def _operators(self) -> list[tuple[str, str, int]]:
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_Event * (count.value + 1))()  # one more: an older, larger event must not hurt
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        reported = events[: count.value]
        if any(event.type not in _TYPES or not 0 <= event.source <= 2 for event in reported):
            raise RuntimeError("this version's profiler reports its events in another form")
        return [
            (f"#{number}", self._text(event.tag), int(event.elapsed_us))
            for number, event in enumerate(event for event in reported if event.type in _OPERATORS)
        ]

    def _input(self, index: int, array: npt.NDArray[Any]) -> ctypes.c_void_p:
        kind = self._declared("Input", index)
        if tuple(kind.layout.dimensions[: array.ndim]) != array.shape:
            shape = (ctypes.c_int * array.ndim)(*array.shape)
            self._call(
                "LiteRtCompiledModelResizeInputTensor",
                self._compiled,
                ctypes.c_size_t(0),
                ctypes.c_size_t(index),
                shape,
                ctypes.c_size_t(array.ndim),
            )
            kind.layout.dimensions[: array.ndim] = array.shape
        return self._buffer("Input", index, kind)

    def _outputs(self) -> list[ctypes.c_void_p]:
        """Buffers in the shapes that follow from the inputs."""
        count = len(self._names("Output"))
        layouts = (_Layout * count)()
        self._call(
            "LiteRtGetCompiledModelOutputTensorLayouts",
            self._compiled,
            ctypes.c_size_t(0),
            ctypes.c_size_t(count),
            layouts,
            ctypes.c_bool(True),
        )
        buffers = []
        for index in range(count):
            kind = self._declared("Output", index)
            kind.layout = layouts[index]
            buffers.append(self._buffer("Output", index, kind))
        return buffers

    def _declared(self, side: str, index: int) -> _TensorType:
        tensor = self._make(
            f"LiteRtGetSignature{side}TensorByIndex", self._signature, ctypes.c_size_t(index)
        )
        kind = _TensorType()
        self._call("LiteRtGetRankedTensorType", tensor, ctypes.byref(kind))
        return kind

    def _buffer(self, side: str, index: int, kind: _TensorType) -> ctypes.c_void_p:
        needs = self._make(
            f"LiteRtGetCompiledModel{side}BufferRequirements",
            self._compiled,
            ctypes.c_size_t(0),
            ctypes.c_size_t(index),
        )
        return self._make(
            "LiteRtCreateManagedTensorBufferFromRequirements",
            self._environment,
            ctypes.byref(kind),
            needs,
        )

    def _write(self, buffer: ctypes.c_void_p, array: npt.NDArray[Any]) -> None:
        size = ctypes.c_size_t()
        self._call("LiteRtGetTensorBufferSize", buffer, ctypes.byref(size))
        if size.value < array.nbytes:
            raise RuntimeError(f"an input takes {size.value} bytes, received: {array.nbytes}")
        address = ctypes.c_void_p()
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(address), ctypes.c_int(_WRITE))
        ctypes.memmove(address, array.ctypes.data, array.nbytes)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _names(self, side: str) -> list[str]:
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(count))
        names = []
        for index in range(count.value):
            name = ctypes.c_char_p()
            self._call(
                f"LiteRtGetSignature{side}Name",
                self._signature,
                ctypes.c_size_t(index),
                ctypes.byref(name),
            )
            names.append((name.value or b"").decode(errors="replace"))
        return names

    def _add(self, options: ctypes.c_void_p, identifier: bytes, text: bytes) -> None:
        """Add options of a kind, as the text that the library parses; it frees the text."""
        c = ctypes.CDLL(None)
        c.strdup.restype = ctypes.c_void_p
        opaque = self._make(
            "LiteRtCreateOpaqueOptions",
            ctypes.c_char_p(identifier),
            ctypes.c_void_p(c.strdup(text)),
            ctypes.cast(c.free, ctypes.c_void_p),
        )
        self._call("LiteRtAddOpaqueOptions", options, opaque)

    def _text(self, address: int | None) -> str:
        value = ctypes.cast(ctypes.c_void_p(address), ctypes.c_char_p).value
        return (value or b"").decode(errors="replace")

    def _make(self, function: str, *arguments: Any) -> ctypes.c_void_p:
        made = ctypes.c_void_p()
        self._call(function, *arguments, ctypes.byref(made))
        return made

    def _call(self, function: str, *arguments: Any) -> None:
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError as error:
            raise RuntimeError(f"this version has no {function}") from error
        if status != 0:
            raise RuntimeError(f"{function} answered {status}")


def main() -> None:
    """Answer one request; what fails is reported in the last line of standard error."""
    request = json.loads(sys.stdin.read())
    feeds = [
        {name: np.ascontiguousarray(np.load(path)) for name, path in feed.items()}
        for feed in request["inputs"]
    ]
    try:
        profiler = Profiler(request["library"], request["model"], request["threads"])
        executed = profiler.run(feeds, request["inferences"], request["warmup"])
    except (RuntimeError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps(executed))  # noqa: T201 (its answer)


if __name__ == "__main__":
    main()
