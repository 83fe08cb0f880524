"""Tables of texts and labels: their delimiter, their columns, their rows.

Spreadsheets and data frames write them with commas, semicolons or tabs, quoted or not, with
headers of many names or none. What stands in a row that does not fit is left out.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from edgecnn.data.files.text_decoding import is_text, text_lines, why_no_text
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
TEXT_COLUMNS = (
    "text", "sentence", "review", "phrase", "message", "content", "comment", "tweet", "body",
    "document", "utterance", "question", "query", "sms", "headline", "description", "abstract",
    "summary", "title", "news", "post", "input",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "class", "category", "sentiment", "target", "tag", "topic", "intent", "polarity",
    "emotion", "labels", "rating", "stars", "score", "language", "y", "output",
)  # fmt: skip
_PAIRS = {("v2", "v1")}
"""Text and label of columns that have no names of their own (R's V1, V2)."""
_LONGEST_ROW = 500
"""Lines of one row; a quotation mark that is not closed by then is a stray one."""
_SAMPLE = 200
_LONGEST_LABEL = 60
_FAST_TEXT = "__label__"


class TableRow(NamedTuple):
    """One text; `where` is its file, with the line where there are many in one."""

    text: str
    label: str
    where: str


class Record(NamedTuple):
    """The cells of a row, and the number of its first line; `problem` says why there are none."""

    line: int
    cells: list[str]
    problem: str = ""


@dataclass(frozen=True)
class Dialect:
    """How a table is written; without `quoted`, quotation marks are text."""

    delimiter: str
    quoted: bool = True


@dataclass(frozen=True)
class Columns:
    """Where text and label stand, in rows of `width` cells, and whether a header says so."""

    text: int
    label: int
    width: int
    header: bool
    named: str = ""


def read_table(
    path: Path, left_out: list[LeftOut], notes: list[str], encoding: str = ""
) -> list[TableRow]:
    """The rows of a table. Raises InputError when it holds no two columns of text and label."""
    lines = text_lines(path, encoding)
    first = next((line for line in lines if line.strip()), "")
    if path.suffix.casefold() in (".jsonl", ".ndjson"):
        return _rows(path, list(_json_records(lines)), left_out, notes)
    if first.lstrip().startswith(_FAST_TEXT):
        return list(_fast_text(path, lines))
    dialect = _dialect(path, lines)
    return _rows(path, list(records(lines, dialect)), left_out, notes)


def records(lines: Sequence[str], dialect: Dialect) -> Iterator[Record]:
    """Rows one after the other; blank lines count for nothing."""
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.strip():
            number += 1
        elif not is_text(line):
            yield Record(number + 1, [], why_no_text(line))
            number += 1
        elif not dialect.quoted:
            yield Record(number + 1, line.split(dialect.delimiter))
            number += 1
        else:
            cells, used = _quoted(lines, number, dialect.delimiter)
            problem = "" if used else "a quotation mark is opened and never closed"
            whole = "\n".join(lines[number : number + used])
            if used and not is_text(whole):
                cells, problem = [], why_no_text(whole)
            yield Record(number + 1, cells, problem)
            number += max(used, 1)


def _quoted(lines: Sequence[str], start: int, delimiter: str) -> tuple[list[str], int]:
    """The cells of the row that begins at a line, and how many lines it takes; 0 for a row that
    does not end.
    """
    last = min(len(lines), start + _LONGEST_ROW)
    for strict in (True, False):  # not strict: letters behind a closing mark
        source = (lines[position] + "\n" for position in range(start, last))
        reader = csv.reader(source, delimiter=delimiter, strict=strict)
        try:
            cells = next(reader)
        except (csv.Error, StopIteration) as error:
            if "unexpected end" in str(error):
                return [], 0
            continue
        if not strict and reader.line_num > 1:  # a stray mark, closed by that of another row
            return [], 0
        return [cell.removesuffix("\n") for cell in cells], reader.line_num
    return [], 0


def _dialect(path: Path, lines: Sequence[str]) -> Dialect:
    """The way of writing in which rows have the same number of cells; where several do, the one
    that the file's ending stands for.
    """
    tabs = [Dialect("\t", quoted=False), Dialect("\t")]
    others = [Dialect(","), Dialect(";")]
    by_tabs = path.suffix.casefold() in (".tsv", ".tab", ".txt")
    candidates = [*tabs, *others] if by_tabs else [*others, Dialect("\t"), tabs[0]]
    best, best_share = candidates[0], 0.0
    for dialect in [*candidates, Dialect("|")]:
        rows = [r for r in islice(records(lines, dialect), _SAMPLE) if not r.problem]
        widths = Counter(len(record.cells) for record in rows)
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        if width < 2:
            continue
        if _named(rows[0].cells):
            return dialect
        share = count / len(rows)
        if share > best_share + 0.1:
            best, best_share = dialect, share
    return best


def _json_records(lines: Sequence[str]) -> Iterator[Record]:
    """A JSON object a line, its keys as a header first."""
    keys: list[str] | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            yield Record(number, [], "not a JSON object")
            continue
        if keys is None:
            keys = [str(key) for key in values]
            yield Record(number, keys)
        cells = ["" if (cell := values.get(key)) is None else str(cell) for key in keys]
        whole = all(map(is_text, cells))
        yield Record(number, cells) if whole else Record(number, [], "it holds half a character")


def _fast_text(path: Path, lines: Sequence[str]) -> Iterator[TableRow]:
    """fastText's lines: `__label__good the text`."""
    for number, line in enumerate(lines, start=1):
        label, _, text = line.strip().partition(" ")
        if label.startswith(_FAST_TEXT) and is_text(line):
            yield TableRow(
                text.strip(), label.removeprefix(_FAST_TEXT), f"{path.name}, line {number}"
            )


def _rows(
    path: Path, table: Sequence[Record], left_out: list[LeftOut], notes: list[str]
) -> list[TableRow]:
    whole = [record for record in table if not record.problem]
    if not whole:
        return []
    columns = _columns(path, whole)
    if columns.named:
        notes.append(f"{path.name}: {columns.named}")
    rows = []
    header = whole[0] if columns.header else None
    for record in table:
        if record is header:
            continue
        where = f"{path.name}, line {record.line}"
        problem = record.problem or _problem(record.cells, columns)
        if problem:
            left_out.append(LeftOut(where, problem, "row"))
            continue
        text, label = record.cells[columns.text].strip(), record.cells[columns.label].strip()
        rows.append(TableRow(text, label, where))
    return rows


def _problem(cells: Sequence[str], columns: Columns) -> str:
    filled = len(cells)
    while filled and not cells[filled - 1].strip():  # empty cells at the end count for nothing
        filled -= 1
    if filled > columns.width or len(cells) <= max(columns.text, columns.label):
        return f"expected a text and a label in {columns.width} columns, received: {len(cells)}"
    if not cells[columns.label].strip():
        return "the label is empty"
    return ""


def _columns(path: Path, table: Sequence[Record]) -> Columns:
    first = table[0].cells
    named = _named(first)
    if named:
        text, label = named
        return Columns(text, label, len(first), True, _said(first, text, label))
    body = [record.cells for record in table[1 : _SAMPLE + 1]]
    width = Counter(len(cells) for cells in body or [first]).most_common(1)[0][0]
    if width < 2:
        raise InputError(
            f"{path}, line {table[0].line}: expected a text and a label, received: 1 column(s)",
            hint="columns are divided by commas, semicolons or tabs",
        )
    even = [cells for cells in body if len(cells) == width]
    text, label = _by_content(even, width)
    header = len(first) == width and _is_header(first, even, label)
    note = _said(first, text, label) if header else ""
    if not header and (text, label) != (0, 1):
        note = f"text in column {text + 1}, labels in column {label + 1}"
    return Columns(text, label, width, header, note)


def _said(header: Sequence[str], text: int, label: int) -> str:
    names = (header[text].strip()[:40], header[label].strip()[:40])
    return "" if names == ("text", "label") else f"text from {names[0]!r}, labels from {names[1]!r}"


def _named(cells: Sequence[str]) -> tuple[int, int] | None:
    """Where text and label stand, when this row is a header with names of either."""
    names = [re.sub(r"[^a-z0-9]+", " ", cell.casefold()).strip() for cell in cells]
    if len(set(names)) < len([name for name in names if name]):
        return None
    for text, label in _PAIRS:
        if text in names and label in names:
            return names.index(text), names.index(label)
    label_at = _place(names, LABEL_COLUMNS)
    text_at = _place(
        [name if at != label_at else "" for at, name in enumerate(names)], TEXT_COLUMNS
    )
    return None if text_at is None or label_at is None else (text_at, label_at)


def _place(names: Sequence[str], column_names: Sequence[str]) -> int | None:
    """A column of a known name; or one of whose few words one is known ("review text")."""
    exact = next((names.index(name) for name in column_names if name in names), None)
    if exact is not None:
        return exact
    for name in column_names:
        for position, words in enumerate(map(str.split, names)):
            if name in words and len(words) <= 3 and not any(map(str.isdecimal, words)):
                return position
    return None


def _by_content(body: Sequence[Sequence[str]], width: int) -> tuple[int, int]:
    """(text, label): as they are said to stand, unless the content says otherwise."""
    if not body:
        return 0, 1
    distinct = [len({cells[at].strip() for cells in body}) for at in range(width)]
    lengths = [sum(len(cells[at]) for cells in body) / len(body) for at in range(width)]
    few = [
        at
        for at in range(width)
        if 2 <= distinct[at] <= max(2, len(body) // 2) and lengths[at] <= _LONGEST_LABEL
    ]
    if 1 in few and lengths[0] >= max(lengths):
        return 0, 1
    text = max(range(width), key=lambda at: lengths[at])
    labels = [at for at in few if at != text]
    if not labels or (distinct[text] <= len(body) // 2 and distinct[text] < 3):
        return 0, 1
    return text, min(labels, key=lambda at: distinct[at])


def _is_header(first: Sequence[str], body: Sequence[Sequence[str]], label: int) -> bool:
    """Whether the first row is a header: all other labels come again, its own never does."""
    counts = Counter(cells[label].strip() for cells in body)
    return len(body) >= 4 and first[label].strip() not in counts and min(counts.values()) >= 2
