"""Texts that are divided into classes by their files or folders."""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.files.text_decoding import is_text, text_lines, why_no_text
from edgecnn.data.files.text_tables import TableRow
from edgecnn.data.files.tree import files_below, is_system, sub_folders
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError

_UNLABELED = ("unsup", "unlabeled", "unlabelled")
"""Folders of texts that nobody labeled (IMDb's)."""


def class_files(folder: Path, left_out: list[LeftOut], encoding: str = "") -> list[TableRow]:
    """A file per class with a text a line: rt-polarity.pos and .neg, or pos.txt and neg.txt."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and not is_system(path.name)
        and not path.name.casefold().startswith(("readme", "license"))
    ]
    if len(files) < 2:
        return []
    by_ending = len({path.stem for path in files}) == 1
    rows = []
    for path in files:
        label = path.suffix[1:] if by_ending else path.stem
        for number, line in enumerate(text_lines(path, encoding), start=1):
            where = f"{path.name}, line {number}"
            if not is_text(line):
                left_out.append(LeftOut(where, why_no_text(line), "row"))
            elif line.strip():
                rows.append(TableRow(line.strip(), label, where))
    return rows


def class_folders(
    root: Path, base: Path, left_out: list[LeftOut], encoding: str = ""
) -> list[TableRow]:
    """A folder per class with a text a .txt file; what cannot be read goes to `left_out`."""
    rows: list[TableRow] = []
    for folder in sub_folders(root):
        files = sorted(
            path
            for path in files_below(folder)
            if path.suffix.casefold() == ".txt" and not is_system(path.name)
        )
        named = str(folder.relative_to(base))
        if folder.name.casefold() in _UNLABELED:
            left_out.append(LeftOut(named, f"{len(files)} texts without a label"))
            continue
        if not files:
            left_out.append(LeftOut(named, "it holds no .txt files"))
        for path in files:
            where = str(path.relative_to(base))
            try:
                text = "\n".join(text_lines(path, encoding))
            except InputError as error:
                left_out.append(LeftOut(where, error.message.removeprefix(f"{path}, ")))
                continue
            if is_text(text):
                rows.append(TableRow(text.strip(), folder.name, where))
            else:
                left_out.append(LeftOut(where, why_no_text(text)))
    return rows
