"""Keras itself, and `.keras` files from anywhere: opened only after a look at what is inside.

A `.keras` file is a zip archive with `config.json` (the architecture), `metadata.json` and
`model.weights.h5`. It may come from strangers, so before Keras sees it: the archive is whole,
unpacks to a sane size, names no path outside itself, and holds no Python code.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.manifest import check_model_path
from edgecnn.privacy import keep_keras_at_home
from edgecnn.registry import require
from edgecnn.text import shortened

if TYPE_CHECKING:
    import keras

MAX_UNPACKED_BYTES = 4 << 30
"""All members of the archive together: 4 GiB, a billion float32 weights."""
MAX_CONFIG_BYTES = 64 << 20
MAX_MEMBERS = 1_000
MAX_WEIGHTS = 1_000_000
"""Groups of weights that are looked into; a file whose groups hold each other has no end."""
MAX_EXPANSION = 100
"""Keras stores members uncompressed; weights that were packed again shrink a few times at most."""
EXPANSION_FLOOR_BYTES = 1 << 20
"""Members below 1 MiB may expand as they like: repetitive JSON does."""

_CODE = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a Python lambda",
    "TFSMLayer": "a TFSMLayer (a TensorFlow graph from outside)",
    "TorchModuleWrapper": "a TorchModuleWrapper (a pickle)",
}
"""Classes whose configuration is a program, and what to call them."""

_NATIVE_LOG = re.compile(rb"[IWE]\d{4} \d\d:\d\d:|[IWE]0000 |WARNING: All log messages before absl")

_UNREGISTERED = re.compile(r"Could not (?:locate|deserialize) (class|function) '([^']+)'")

_FILE_KEYS = ("vocabulary", "idf_weights")
"""Settings of layers that take values, or the path of a file that holds them."""

_TRUST = "edgecnn does not run it; give --allow-unsafe if you trust where the file is from"
_DAMAGED = "the file is damaged or was made by something else; save it again with model.save()"


def import_keras() -> ModuleType:
    """The keras package with its backend, loaded without TensorFlow's log lines.

    Raises MissingDependencyError when keras, or the backend it is set to, is not installed.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    keep_keras_at_home()
    # 3 hides "failed call to cuInit", an error line on every machine without an NVIDIA card.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _without_native_log():
            return require("keras", "train")
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax", "torch"):
            raise
        raise MissingDependencyError(
            f"keras is set to the backend {error.name}, which is not installed",
            hint="pip install 'edgecnn[train]', or set KERAS_BACKEND",
        ) from error


@contextmanager
def _without_native_log() -> Iterator[None]:
    """Hold back what native code writes to stderr, and pass on all of it but log lines.

    TensorFlow logs from C++ while it is imported, before its own log level is in force.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held_back:
        stderr = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not _NATIVE_LOG.match(line):
                    os.write(2, line)


_UNREADABLE: tuple[type[Exception], ...] = (
    OSError,  # h5py: the weights are not HDF5, or cut off
    KeyError,
    AttributeError,
    IndexError,
    RuntimeError,
    NotImplementedError,
    ImportError,
    zipfile.BadZipFile,  # a member fails its checksum
    zlib.error,
    EOFError,
    MemoryError,
)


def load_keras(path: Path, *, allow_unsafe: bool = False) -> keras.Model:
    """Load a `.keras` file for inference (not compiled).

    `allow_unsafe` lets the file bring Python code (Lambda layers) and runs it: for files the
    user trusts. The limits on size and shape of the archive hold in any case: 4 GiB unpacked,
    1,000 members, 100-fold expansion of a member over 1 MiB.

    Raises InputError for a file that is missing, truncated, not a Keras 3 archive, a zip
    bomb, that carries code, or that needs a custom class nobody registered.
    """
    check_model_path(path)
    if path.suffix.lower() != ".keras":
        raise InputError(f"{path.name}: expected a .keras file")
    config = _inspect_archive(path)
    if not allow_unsafe:
        _refuse_code(path, config)
        _refuse_named_files(path, config)
    keras_module = import_keras()
    _refuse_outside_weights(path)
    try:
        model: keras.Model = keras_module.saving.load_model(
            path, compile=False, safe_mode=not allow_unsafe
        )
    except (TypeError, ValueError) as error:
        raise _explained(path, error) from error
    except (*_UNREADABLE, *_backend_errors()) as error:
        raise InputError(
            f"{path.name}: Keras cannot read it ({_first_line(error)})", hint=_DAMAGED
        ) from error
    return model


def _backend_errors() -> tuple[type[Exception], ...]:
    """What the backend raises when it cannot make a variable, where that is a class of its own."""
    if "tensorflow" not in sys.modules:
        return ()
    import tensorflow as tf

    return (tf.errors.OpError,)


def _inspect_archive(path: Path) -> Any:
    """Check the archive's directory and return the parsed config.json."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            config = archive.read("config.json")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"{path.name}: not a complete Keras 3 archive ({_first_line(error)})", hint=_DAMAGED
        ) from error
    try:
        return json.loads(config)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path.name}: its config.json is not JSON ({_first_line(error)})", hint=_DAMAGED
        ) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise InputError(
            f"{path.name}: {len(members)} members, expected at most {MAX_MEMBERS}", hint=_DAMAGED
        )
    names = [member.filename for member in members]
    for name in names:
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            raise InputError(
                f"{path.name}: the member {name!r} points outside the archive",
                hint="do not use this file: an honest one has no such member",
            )
    if len(set(names)) != len(names):
        raise InputError(f"{path.name}: two members have the same name", hint=_DAMAGED)
    unpacked = sum(member.file_size for member in members)
    swollen = [member for member in members if _expands_too_far(member)]
    if unpacked > MAX_UNPACKED_BYTES or swollen:
        raise InputError(
            f"{path.name}: a zip bomb: {path.stat().st_size:,} bytes would unpack to {unpacked:,}",
            hint=f"at most {MAX_UNPACKED_BYTES:,} bytes and {MAX_EXPANSION} times the packed size "
            "of a member are accepted",
        )
    sizes = {member.filename: member.file_size for member in members}
    if "config.json" not in sizes:
        raise InputError(f"{path.name}: no config.json inside: not a Keras model", hint=_DAMAGED)
    if sizes["config.json"] > MAX_CONFIG_BYTES:
        raise InputError(
            f"{path.name}: its config.json has {sizes['config.json']:,} bytes, "
            f"expected at most {MAX_CONFIG_BYTES:,}"
        )


def _expands_too_far(member: zipfile.ZipInfo) -> bool:
    return (
        member.file_size > EXPANSION_FLOOR_BYTES
        and member.file_size > MAX_EXPANSION * member.compress_size
    )


def _refuse_code(path: Path, config: Any) -> None:
    """Raise InputError when the architecture contains a program."""
    for entry in _objects(config):
        what = _CODE.get(str(entry.get("class_name")))
        if what is None:
            continue
        settings = entry.get("config")
        name = settings.get("name") if isinstance(settings, dict) else None
        called = f" named {name!r}" if name else ""
        raise InputError(
            f"{path.name} contains {what}{called}: Python code that would run on this machine",
            hint=_TRUST,
        )


def _refuse_named_files(path: Path, config: Any) -> None:
    """Raise InputError when a layer would read a file of this machine."""
    for entry in _objects(config):
        for key in _FILE_KEYS:
            named = entry.get(key)
            if isinstance(named, str):
                raise InputError(
                    f"{path.name}: a layer reads its {key} from the file {named!r}, outside of the "
                    "archive",
                    hint="save the model again with Keras 3, which puts it inside; "
                    "or give --allow-unsafe if you trust where the file is from",
                )


def _refuse_outside_weights(path: Path) -> None:
    """Raise InputError when weights are said to lie in another file, which HDF5 would read."""
    h5py = require("h5py", "train")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith((".h5", ".hdf5")):
                continue
            try:
                with archive.open(name) as member, h5py.File(member, "r") as weights:
                    outside = next(_outside(h5py, weights), None)
            except (OSError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise InputError(
                    f"{path.name}: its {name} is not whole ({_first_line(error)})", hint=_DAMAGED
                ) from error
            if outside:
                raise InputError(
                    f"{path.name}: {outside} in {name} lies in another file, "
                    "outside of the archive",
                    hint="do not use this file: an honest one holds its weights",
                )


def _outside(h5py: ModuleType, weights: Any) -> Iterator[str]:
    """Names of links to other files, and of data that other files hold. No link is followed."""
    waiting = [weights]
    for _ in range(MAX_WEIGHTS):
        if not waiting:
            return
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield f"{group.name.rstrip('/')}/{name}"
            elif isinstance(link, h5py.HardLink):
                found = group[name]
                if isinstance(found, h5py.Group):
                    waiting.append(found)
                elif isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
                    yield str(found.name)


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in `config`, at any depth; no recursion, so depth cannot hurt."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _explained(path: Path, error: Exception) -> InputError:
    """Say what Keras's TypeError or ValueError means for the user."""
    text = str(error)
    if "safe_mode" in text or "arbitrary code" in text:
        return InputError(f"{path.name} contains code ({_first_line(error)})", hint=_TRUST)
    if missing := _UNREGISTERED.search(text):
        return InputError(
            f"{path.name} needs the {missing[1]} {missing[2]!r}, which is not registered here",
            hint="import the module that defines it with "
            "@keras.saving.register_keras_serializable() before loading, from Python",
        )
    return InputError(f"{path.name}: Keras cannot read it ({_first_line(error)})", hint=_DAMAGED)


def _first_line(error: BaseException) -> str:
    """The first sentence of Keras's often page-long messages (of the innermost), and its kind."""
    innermost = str(error).rpartition("Exception encountered: ")[2]
    text = innermost.strip().split("\n", 1)[0].split(". ", 1)[0]
    return f"{type(error).__name__}: {shortened(text, 600)}" if text else type(error).__name__
