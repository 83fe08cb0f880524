"""Write a bundle atomically to a folder or a zip file."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.optimization.bundles.runner import ABOUT


def check_place(out: Path, *, force: bool) -> None:
    """Raise InputError for what must not be overwritten: anything without `force`; with it, a
    folder that holds no bundle, and a file that is no `.zip` file.
    """
    if not out.exists():
        return
    if not force:
        raise InputError(f"{out} exists already", hint="pass --force to overwrite it")
    hint = "choose another place for the bundle"
    if out.is_dir() == _is_zip(out):
        expected = "file" if _is_zip(out) else "folder"
        received = "a folder" if out.is_dir() else "a file"
        raise InputError(f"{out} is {received}, and the bundle a {expected}", hint=hint)
    if out.is_dir() and any(out.iterdir()) and not any(out.glob(f"*/{ABOUT}")):
        raise InputError(f"{out} is a folder that holds no bundle", hint=hint)


def _is_zip(out: Path) -> bool:
    return out.suffix.lower() == ".zip"


def deliver(folder: Path, out: Path) -> Path:
    """The folder's content as the folder or the zip file `out`; whole, or not there. What was
    there before stays until the new one is complete.
    """
    if _is_zip(out):
        with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    name = str(path.relative_to(folder))
                    archive.write(path, name, compress_type=zipfile.ZIP_DEFLATED)
        return out
    place = Path(os.path.realpath(out))  # a link stays one
    unfinished = place.with_name(f".{place.name}.unfinished")
    previous = place.with_name(f".{place.name}.previous")
    try:
        _remove(unfinished)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, unfinished)
        _replace(place, unfinished, previous)
        shutil.rmtree(previous, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"cannot write {out}: {_reason(error)}",
            hint="free some space or choose another --out; what was there before is untouched",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out


def _replace(place: Path, new: Path, previous: Path) -> None:
    """Rename `new` to `place`, and what is there to `previous`; back again where that fails."""
    if not place.exists():
        new.rename(place)
        return
    _remove(previous)
    try:
        place.rename(previous)
        new.rename(place)
    except BaseException:
        if not place.exists() and previous.exists():
            previous.rename(place)
        raise


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _reason(error: OSError) -> str:
    """Why files were not written; copying a folder collects a reason for each of its files."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])
    return error.strerror or str(error)
