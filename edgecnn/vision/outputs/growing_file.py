"""A file that grows while something runs: nothing of it is lost before there is something new."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from edgecnn.errors import InputError
from edgecnn.files import refuse_overwrite


class GrowingFile:
    """Appends pieces to a file, each as a whole or not at all.

    Whether the place can be written is seen at once, but a file that lies there stays as it is
    until `begin` or the first piece: a run may end before it has anything to write. Raises
    InputError for a file that is there without `force`, and where nothing can be written; `option`
    is the one that names the place.
    """

    def __init__(self, path: Path, *, force: bool, option: str) -> None:
        self.path = path
        self.begun = False
        refuse_overwrite(path, force=force)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._created = not path.exists()
            self._file: IO[bytes] = path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(
                f"cannot write {path}: {error.strerror}", hint=f"choose another {option}"
            ) from error

    def begin(self) -> None:
        """From now on the file is this run's, and empty. Raises OSError."""
        if not self.begun:
            if os.fstat(self._file.fileno()).st_size:  # a device has none, and cannot be cut
                self._file.truncate(0)
            self.begun = True

    def append(self, data: bytes) -> None:
        """Add all of `data`, or nothing of it and raise OSError."""
        self.begin()
        before = self._file.seek(0, os.SEEK_END)
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            self._file.truncate(before)
            raise

    def close(self, *, discard: bool) -> None:
        """With `discard`, remove the file, unless it is one from before that was never begun.
        Raises OSError where the end could not be written.
        """
        try:
            self._file.close()
        finally:
            if discard and (self._created or self.begun):
                self.path.unlink(missing_ok=True)
