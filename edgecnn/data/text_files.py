"""Texts and their labels from files, each with the place where it stands."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError

TABLES = (".csv", ".tsv")
_TEXT_COLUMNS = ("text", "sentence", "review", "phrase")
_LABEL_COLUMNS = ("label", "class", "category", "sentiment")
_UTF8_HINT = "texts are UTF-8; convert the file, as in iconv -f latin1 -t utf-8"


class Row(NamedTuple):
    """One text; `where` is its file, with the line where there are many in one."""

    text: str
    label: str
    where: str


def lines(path: Path) -> Iterator[str]:
    """The lines of a file with their ends, a byte order mark left out.

    Raises InputError, naming the line, for bytes that are not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InputError(
                        f"{path}, line {number}: byte 0x{line[error.start]:02x} at column "
                        f"{error.start + 1} is not UTF-8",
                        hint=_UTF8_HINT,
                    ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def read_table(path: Path) -> list[Row]:
    """Rows of a CSV (quoted as spreadsheets do) or a TSV (nothing quoted).

    A header may name the columns; without one they are text and label. Blank lines count for
    nothing. Raises InputError, naming the line, for a row without either.
    """
    if path.suffix.lower() not in TABLES:
        raise InputError(f"{path}: expected a .csv or .tsv", hint="or a folder; see edgecnn.data")
    tabs = path.suffix.lower() == ".tsv"
    reader = (
        csv.reader(lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
        if tabs
        else csv.reader(lines(path), strict=True)
    )
    rows: list[Row] = []
    text_at, label_at, first = 0, 1, True
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if first and (named := _columns(cells)):
                text_at, label_at = named
                first = False
                continue
            first = False
            where = f"{path}, line {reader.line_num}"
            if len(cells) <= max(text_at, label_at) or not cells[label_at].strip():
                raise InputError(
                    f"{where}: expected a text and a label, received: {len(cells)} column(s)"
                    + ("" if len(cells) <= max(text_at, label_at) else ", the label empty")
                )
            rows.append(Row(cells[text_at].strip(), cells[label_at].strip(), where))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    return rows


def class_files(folder: Path) -> list[Row]:
    """A file per class with a text a line: rt-polarity.pos and .neg, or pos.txt and neg.txt."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.lower().startswith((".", "readme"))
    ]
    if len(files) < 2:
        return []
    by_ending = len({path.stem for path in files}) == 1
    return [
        Row(line.strip(), path.suffix[1:] if by_ending else path.stem, f"{path}, line {number}")
        for path in files
        for number, line in enumerate(lines(path), start=1)
        if line.strip()
    ]


def class_folders(root: Path, base: Path, left_out: list[LeftOut]) -> list[Row]:
    """A folder per class with a text a .txt file; those that are not UTF-8 go to `left_out`.

    Raises InputError for a folder without readable texts.
    """
    rows: list[Row] = []
    for folder in sorted(child for child in root.iterdir() if child.is_dir()):
        if folder.name.startswith("."):
            continue
        before = len(rows)
        files = sorted(folder.rglob("*.txt"))
        for path in files:
            where = str(path.relative_to(base))
            try:
                rows.append(Row(path.read_text("utf-8-sig").strip(), folder.name, where))
            except UnicodeDecodeError as error:
                left_out.append(LeftOut(where, f"byte {error.start} is not UTF-8"))
            except OSError as error:
                left_out.append(LeftOut(where, error.strerror or str(error)))
        if len(rows) == before:
            state = f"{len(files)} .txt files, none of them readable" if files else "no .txt files"
            raise InputError(f"class folder {folder} holds {state}", hint="fill or remove it")
    return rows


def _columns(cells: list[str]) -> tuple[int, int] | None:
    """Where text and label stand, when this row is a header."""
    names = [cell.strip().lower() for cell in cells]
    text = next((names.index(name) for name in _TEXT_COLUMNS if name in names), None)
    label = next((names.index(name) for name in _LABEL_COLUMNS if name in names), None)
    return None if text is None or label is None else (text, label)
