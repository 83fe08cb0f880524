"""Keras 3, and Keras 2 as tf-keras, imported without their log lines."""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from edgecnn.errors import MissingDependencyError
from edgecnn.keras_files import sklearn_wrappers
from edgecnn.registry import require
from edgecnn.system.native_output import captured_stderr
from edgecnn.system.privacy import keep_keras_at_home

FEW_OBJECTS = 200_000
"""What a process that has done nothing yet holds at most."""
_NATIVE_LOG = re.compile(r"[IWE]\d{4} \d\d:\d\d:|[IWE]0000 |WARNING: All log messages before absl")


def import_keras() -> ModuleType:
    """The keras package with its backend, loaded without TensorFlow's log lines.

    Raises MissingDependencyError when keras, or the backend it is set to, is not installed.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    keep_keras_at_home()
    # 3 hides "failed call to cuInit", an error line on every machine without an NVIDIA card.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN's kernels, which TensorFlow uses by itself only where there is VNNI. Elsewhere they
    # train faster, and convolve images with channels first, which its own cannot.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Its Python part warns of functions that are traced for another batch size.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with without_native_log(), sklearn_wrappers.left_for_later(), _no_collections():
            keras = require("keras", "train")
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax", "torch"):
            raise
        raise MissingDependencyError(
            f"keras is set to the backend {error.name}, which is not installed",
            hint="pip install 'edgecnn[train]', or set KERAS_BACKEND",
        ) from error
    if "tensorflow" in sys.modules:
        _keep_no_bytecode_of_generated_code()
    return keras


@contextmanager
def _no_collections() -> Iterator[None]:
    """Import in here without looking for garbage: TensorFlow brings a million objects that stay.

    In a process that began with this, no later collection looks through them either, nor does its
    end. What a process held before may become garbage, so one that held much keeps all in view.
    """
    fresh = len(gc.get_objects()) < FEW_OBJECTS
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if fresh:
            gc.freeze()
        if enabled:
            gc.enable()


def _keep_no_bytecode_of_generated_code() -> None:
    """Let TensorFlow leave nothing in the folder for temporary files.

    Its AutoGraph writes functions there as modules and removes them at the end, but not the
    bytecode that Python keeps of what it imports.
    """
    try:
        from tensorflow.python.autograph.pyct import loader
    except ImportError:  # a TensorFlow that has it elsewhere leaves its bytecode
        return
    load_source = loader.load_source

    def without_bytecode(*arguments: Any, **more: Any) -> Any:
        kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            return load_source(*arguments, **more)
        finally:
            sys.dont_write_bytecode = kept

    loader.load_source = without_bytecode


def import_keras_2() -> ModuleType:
    """tf-keras: Keras 2, which lives next to Keras 3 on the same TensorFlow.

    Raises MissingDependencyError when it is not installed.
    """
    import_keras()
    with without_native_log():
        return require("tf_keras", "keras2")


def is_keras_2(model: Any) -> bool:
    """Whether a model is of tf-keras, or of a class that was made from one of its."""
    return any(base.__module__.startswith("tf_keras") for base in type(model).__mro__)


@contextmanager
def without_native_log() -> Iterator[None]:
    """Hold back what native code writes to stderr, and pass on all of it but log lines.

    TensorFlow logs from C++ while it is imported, before its own log level is in force.
    """
    with ExitStack() as after, captured_stderr() as lines:
        after.callback(_pass_on, lines)
        yield


def _pass_on(lines: list[str]) -> None:
    for line in lines:
        if not _NATIVE_LOG.match(line):
            os.write(2, f"{line}\n".encode())
