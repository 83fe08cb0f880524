"""`.keras` archives: looked at, then loaded by the Keras that wrote them."""

from __future__ import annotations

import errno
import json
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.keras_files.library import import_keras, import_keras_2
from edgecnn.keras_files.problems import (
    DAMAGED,
    all_weights_loaded,
    explained,
    first_sentence,
    unreadable,
)
from edgecnn.keras_files.trust import outside_data, refuse_code, refuse_named_files
from edgecnn.manifest import check_model_path
from edgecnn.registry import require
from edgecnn.system import scratch

if TYPE_CHECKING:
    import keras

MAX_UNPACKED_BYTES = 4 << 30
"""All members of the archive together: 4 GiB, a billion float32 weights."""
MAX_CONFIG_BYTES = 64 << 20
MAX_MEMBERS = 1_000
MAX_EXPANSION = 100
"""Keras stores members uncompressed; weights that were packed again shrink a few times at most."""
EXPANSION_FLOOR_BYTES = 1 << 20
"""Members below 1 MiB may expand as they like: repetitive JSON does."""
COPIED_AT_ONCE = 1 << 20
_NOT_WHOLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What reading a damaged archive raises; RuntimeError also for encrypted or unknown packing."""


def load_keras(path: Path, *, allow_unsafe: bool = False) -> keras.Model:
    """Load a `.keras` file of Keras 3 for inference (not compiled).

    `allow_unsafe` lets the file bring Python code (Lambda layers) and runs it: for files the
    user trusts. The limits on size and shape of the archive hold in any case: 4 GiB unpacked,
    1,000 members, 100-fold expansion of a member over 1 MiB.

    Raises InputError for a file that is missing, truncated, not a Keras 3 archive, a zip
    bomb, that carries code, or that needs a custom class nobody registered.
    """
    check_model_path(path)
    if path.suffix.lower() != ".keras":
        raise InputError(f"{path.name}: expected a .keras file")
    model, version = load_archive(path, allow_unsafe=allow_unsafe)
    if version.startswith("2."):
        raise InputError(
            f"{path.name} is a model of Keras {version}, and is run by Keras 3 here",
            hint=f"convert it: edgecnn convert {path.name} --to onnx:float32 --out artifacts",
        )
    return model


def network_name(path: Path) -> str:
    """What a `.keras` file calls its network, without loading it. Raises as `load_keras` does
    for a file that is not a whole archive.
    """
    check_model_path(path)
    config, _ = _inspected(path)
    inner = config.get("config") if isinstance(config, dict) else None
    return str(inner.get("name", "")) if isinstance(inner, dict) else ""


def check_weights(path: Path) -> None:
    """Raise as `load_keras` does for an archive that is not whole, expands without end, or has
    weights elsewhere. What its network is does not matter.
    """
    _inspected(path)
    _refuse_outside_weights(path)


def load_archive(
    path: Path, *, allow_unsafe: bool = False, objects: Mapping[str, Any] | None = None
) -> tuple[Any, str]:
    """(the model, the version of Keras that wrote it) of an archive, whatever it is called.

    `objects` are classes and functions of the user's by name. Raises as `load_keras`, and
    MissingDependencyError for an archive of Keras 2 without tf-keras.
    """
    config, version = _inspected(path)
    if not allow_unsafe:
        refuse_code(path, config)
        refuse_named_files(path, config)
    library = _library(path, version)
    _refuse_outside_weights(path)
    with _ending_in_keras(path) as named:
        try:
            with all_weights_loaded():
                model = library.models.load_model(
                    str(named),
                    custom_objects=dict(objects or {}),
                    compile=False,
                    safe_mode=not allow_unsafe,
                )
        except unreadable() as error:
            raise explained(path, error) from error
    return model, version


def _library(path: Path, version: str) -> ModuleType:
    if not version.startswith("2."):
        return import_keras()
    try:
        return import_keras_2()
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{path.name} is a model of Keras {version}, which Keras 3 does not read",
            hint=error.hint,
        ) from error


@contextmanager
def _ending_in_keras(path: Path) -> Iterator[Path]:
    """The path, or a link to it that ends in .keras: Keras goes by the ending."""
    if path.suffix == ".keras":
        yield path
        return
    with scratch.folder() as folder:
        link = folder / "model.keras"
        link.symlink_to(path.absolute())
        yield link


def _inspected(path: Path) -> tuple[Any, str]:
    """Check the archive's directory and return the parsed config.json, and Keras's version."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            config = archive.read("config.json")
            version = _version(archive)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except _NOT_WHOLE as error:
        raise InputError(
            f"{path.name}: not a complete Keras 3 archive ({first_sentence(error)})", hint=DAMAGED
        ) from error
    try:
        return json.loads(config), version
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path.name}: its config.json is not JSON ({first_sentence(error)})", hint=DAMAGED
        ) from error


def _version(archive: zipfile.ZipFile) -> str:
    """The version of Keras that wrote the archive; empty where it does not say."""
    try:
        member = archive.getinfo("metadata.json")
    except KeyError:
        return ""
    if member.file_size > MAX_CONFIG_BYTES:
        return ""
    try:
        metadata = json.loads(archive.read(member))
    except (ValueError, RecursionError):
        return ""
    return str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise InputError(
            f"{path.name}: {len(members)} members, expected at most {MAX_MEMBERS}", hint=DAMAGED
        )
    names = [member.filename for member in members]
    for name in names:
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            raise InputError(
                f"{path.name}: the member {name!r} points outside the archive",
                hint="do not use this file: an honest one has no such member",
            )
    if len(set(names)) != len(names):
        raise InputError(f"{path.name}: two members have the same name", hint=DAMAGED)
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
        raise InputError(f"{path.name}: no config.json inside: not a Keras model", hint=DAMAGED)
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


@contextmanager
def _unpacked(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """A member as a file of its own: HDF5 jumps about, and a jump back in an archive reads it all
    again. What the members unpack to is within the limits by now.
    """
    with tempfile.TemporaryFile() as file:
        with archive.open(name) as member:
            shutil.copyfileobj(member, file, COPIED_AT_ONCE)
        file.seek(0)
        yield file


def _refuse_outside_weights(path: Path) -> None:
    """Raise InputError when weights are said to lie in another file, which HDF5 would read."""
    h5py = require("h5py", "train")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith((".h5", ".hdf5")):
                continue
            try:
                with _unpacked(archive, name) as file, h5py.File(file, "r") as weights:
                    outside = next(outside_data(h5py, weights), None)
            except (*_NOT_WHOLE, KeyError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise  # the copy found no room: nothing is wrong with the file
                raise InputError(
                    f"{path.name}: its {name} is not whole ({first_sentence(error)})", hint=DAMAGED
                ) from error
            if outside:
                raise InputError(
                    f"{path.name}: {outside} in {name} lies in another file, "
                    "outside of the archive",
                    hint="do not use this file: an honest one holds its weights",
                )
