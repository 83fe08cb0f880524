"""What the host tells about itself."""

from __future__ import annotations

import threading

from edgecnn.runtimes.cuda import CudaDevice, first_device
from edgecnn.runtimes.host import cpu_name, thread_count
from edgecnn.runtimes.native_log import captured_stderr
from edgecnn.runtimes.precision import dominant


def test_the_processor_has_a_name() -> None:
    assert cpu_name().strip()


def test_threads_are_counted() -> None:
    before = thread_count()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    after = thread_count()
    stop.set()
    thread.join()
    assert before is None or after == before + 1


def test_an_nvidia_device_is_named_or_missed_with_a_reason() -> None:
    found = first_device()
    assert found.name if isinstance(found, CudaDevice) else found


def test_native_standard_error_is_captured() -> None:
    import os

    with captured_stderr() as lines:
        os.write(2, b"from native code\n")
    assert lines == ["from native code"]


def test_the_dominant_precision_is_that_of_most_nodes() -> None:
    assert dominant({"float32": 1, "int8": 5}, "unknown") == "int8"
    assert dominant({}, "float32") == "float32"
