"""Run converter libraries: capture their output, and turn errors into one line."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.system.native_output import captured_stderr
from edgecnn.text import first_line


@contextlib.contextmanager
def converter(tool: str, hint: str = "") -> Iterator[None]:
    """Run a converter library: silently, and with whatever it raises turned into an InputError.

    KeyboardInterrupt, MemoryError and a full disk (OSError) pass as they are.
    """
    try:
        with _quiet():
            yield
    except (EdgeCNNError, MemoryError, OSError):
        raise
    except Exception as error:
        # So wide because TensorFlow's converter, tf2onnx, litert-quantizer and onnxruntime
        # raise ValueError, KeyError, RuntimeError, AssertionError, LLVM diagnostics and classes
        # of their own for "this operator is not supported".
        raise InputError(f"{tool} failed: {first_line(error)}", hint=hint) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars, warnings meant for developers and log lines off the terminal.

    TensorFlow's C++ log reads its level when it is loaded, so it is set here as a default. Its
    compiler prints a page for each operator that it refuses; the exception says the same.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    disabled_before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            captured_stderr(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled_before)
