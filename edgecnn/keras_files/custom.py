"""Import user modules that define custom layers."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecnn.errors import InputError
from edgecnn.keras_files.library import import_keras
from edgecnn.keras_files.problems import first_sentence


def custom_objects(modules: Iterable[Path]) -> dict[str, Any]:
    """Classes and functions that these Python files define, by name; what they register with
    Keras is registered.

    Raises InputError for a file that is missing, or that fails when it is run.
    """
    objects: dict[str, Any] = {}
    for path in modules:
        import_keras()
        module = _run(path)
        objects.update(
            (name, value)
            for name, value in vars(module).items()
            if (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == module.__name__
        )
    return objects


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(
            f"no such file: {path}", hint="--custom takes a Python file that defines layers"
        )
    name = f"edgecnn_custom_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if path.suffix != ".py" or spec is None or spec.loader is None:
        raise InputError(f"{path.name}: expected a Python file (.py) that defines layers")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where a class looks for its own module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        # So wide because it is the user's own program, which may raise anything.
        del sys.modules[name]
        raise InputError(
            f"{path.name} fails when it is run ({first_sentence(error)})",
            hint=f"it must run on its own: python {path}",
        ) from error
    return module
