"""The boards that are known: a TOML file, one table each.

    [boards.rpi5]
    address = "ssh://pi@10.0.0.7"
    python = "python3"
    extras = ["litert"]

Keys, agents, jump hosts and aliases are those of ~/.ssh, as with ssh itself. Passwords have no
place here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgecnn.errors import InputError
from edgecnn.files import read_text_file, write_text_atomically
from edgecnn.records import FieldError, read_record
from edgecnn.registry import unknown_name
from edgecnn.system.places import data_home

MAX_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|\[?[0-9a-fA-F:]+(?:%[A-Za-z0-9._-]+)?\]?")
_EXTRA = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Board:
    """A machine that is reached over SSH. `extras` are edgecnn's, as in "litert"."""

    address: str
    python: str = "python3"
    extras: tuple[str, ...] = ()
    key: str = ""
    """A private key's path, where ssh would not try it by itself."""
    tags: tuple[str, ...] = ()
    name: str = field(default="", compare=False)
    offline: bool = False
    """Whether it has no network: what it needs is sent from here at once."""

    @property
    def where(self) -> tuple[str, str, int]:
        """(user, host, port); "" and 0 where ~/.ssh/config or the usual ones decide."""
        return parse_address(self.address)


def file_of_boards() -> Path:
    """The inventory: boards.toml next to the isolated environments."""
    return data_home() / "boards.toml"


def parse_address(text: str) -> tuple[str, str, int]:
    """(user, host, port) of "ssh://user@host:port", "user@host" or a name from ~/.ssh/config.

    Raises InputError, which does not repeat a password.
    """
    try:
        parts = urlsplit(text if "://" in text else f"ssh://{text}")
        port = parts.port or 0
    except ValueError:
        raise InputError("the address of a board has no valid port", hint=_HOW) from None
    if parts.password is not None:
        raise InputError(
            "an address must not contain a password: it would be stored",
            hint="use a key: ssh-copy-id user@host",
        )
    user, host = parts.username or "", _host_in(parts.netloc)
    whole = parts.scheme == "ssh" and not (parts.query or parts.fragment)
    if not whole or parts.path not in ("", "/") or not _HOST.fullmatch(host):
        raise InputError(f"not the address of a board: {text[:80]}", hint=_HOW)
    if user and not _USER.fullmatch(user):
        raise InputError(f"no user name: {user[:40]}", hint=_HOW)
    return user, host, port


def _host_in(place: str) -> str:
    """The host of "user@host:port" as it is written: an alias of ~/.ssh/config has its case."""
    host = place.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


_HOW = "as in ssh://pi@10.0.0.7 or ssh://pi@rpi5.local:2222"


def load() -> dict[str, Board]:
    """All boards by name. Raises InputError for a file that cannot be read."""
    path = file_of_boards()
    if not path.exists():
        return {}
    try:
        document = tomllib.loads(read_text_file(path, limit=MAX_BYTES))
    except (ValueError, RecursionError) as error:  # too many digits, too many levels
        raise InputError(
            f"{path}: not valid TOML ({error})", hint="correct or remove it"
        ) from error
    tables = document.get("boards", {})
    if not isinstance(tables, Mapping):
        raise InputError(f"{path}: boards is not a table", hint="correct or remove it")
    return {name: _board(name, values, path) for name, values in tables.items()}


def _board(name: str, values: Any, path: Path) -> Board:
    try:
        board = read_record(Board, {**values, "name": name}, f"boards.{name}")
    except (FieldError, TypeError) as error:
        raise InputError(f"{path}: {error}", hint="correct or remove it") from error
    check(board)
    return board


def check(board: Board) -> None:
    """Raise InputError for a name, an address or an extra that is not valid."""
    if not _NAME.fullmatch(board.name):
        raise InputError(
            f"not a name for a board: {board.name[:80]}", hint="letters, digits, dots and dashes"
        )
    parse_address(board.address)
    for extra in board.extras:
        if not _EXTRA.fullmatch(extra):
            raise InputError(f"not an extra of edgecnn: {extra[:40]}", hint="as in litert or onnx")
    if not board.python or any(not char.isprintable() for char in board.python):
        raise InputError("--python is not a path", hint="as in python3 or /opt/python/bin/python3")


def add(board: Board, *, force: bool = False) -> None:
    """Enter a board. Raises InputError for one that is there already, unless `force`."""
    check(board)
    known = load()
    if board.name in known and not force:
        raise InputError(f"{board.name} already exists", hint="pass --force to replace it")
    _save({**known, board.name: board})


def remove(name: str) -> None:
    """Strike a board out. Raises InputError for one that is not there."""
    known = load()
    if name not in known:
        raise unknown_name("board", name, known)
    _save({key: board for key, board in known.items() if key != name})


def choose(names: Iterable[str]) -> list[Board]:
    """Boards by name, by tag, or by address ("ssh://…"); each once.

    Raises InputError for a name that is neither, and for an address whose host is called like
    another board: nothing would distinguish their results.
    """
    boards = load()
    chosen: dict[str, Board] = {}
    for name in names:
        if name in boards:
            matches = [boards[name]]
        elif "://" in name or "@" in name:
            matches = [_typed(name, boards)]
        else:
            matches = [board for board in boards.values() if name in board.tags]
            if not matches:
                raise (
                    unknown_name("board", name, boards)
                    if boards
                    else InputError(
                        f"unknown board {name!r}: no boards are known yet",
                        hint="edgecnn boards add NAME ssh://user@host",
                    )
                )
        for board in matches:
            if chosen.setdefault(board.name, board).where != board.where:
                raise InputError(
                    f"{chosen[board.name].address} and {board.address} would both be called "
                    f"{board.name}",
                    hint="enter them under names of their own: edgecnn boards add NAME ADDRESS",
                )
    return list(chosen.values())


def _typed(address: str, boards: Mapping[str, Board]) -> Board:
    """The board at an address, which is its name, too."""
    where = parse_address(address)
    parts = [str(part) for part in where if part]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-._")[:64] or "board"
    if name not in boards:
        return Board(address, name=name)
    if boards[name].where == where:
        return boards[name]
    raise InputError(
        f"{address} and the board {name} ({boards[name].address}) have one name",
        hint="enter it under a name of its own: edgecnn boards add NAME ADDRESS",
    )


def _save(boards: Mapping[str, Board]) -> None:
    path = file_of_boards()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, "\n".join(map(_table, sorted(boards.values(), key=_by_name))))


def _by_name(board: Board) -> str:
    return board.name


def _table(board: Board) -> str:
    """A board as TOML: its strings are written as JSON's, which TOML reads."""
    lines = [f"[boards.{json.dumps(board.name)}]"]
    for name, value in asdict(board).items():
        if name != "name" and value:
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"
