"""Files on their way: several clients at once, and a file server that hangs."""

from __future__ import annotations

import asyncio
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

from edgecnn.boards import preparing, transfer
from edgecnn.boards.connection import BoardError, LostError, ask, connected, execute
from edgecnn.boards.inventory import Board
from edgecnn.boards.preparing import ReadyBoard, prepare
from tests.integration.boards import wheelhouse
from tests.integration.boards.machines import Fleet, Machine

CLIENTS = 4
FILE_SERVER = Path("/usr/lib/openssh/sftp-server")


@pytest.fixture
def machine(fleet: Fleet) -> Machine:
    fleet.start("one")
    return fleet.machines["one"]


def board_of(machine: Machine, *, python: str = sys.executable, offline: bool = False) -> Board:
    return Board(machine.address, python=python, name="one", offline=offline)


def prepared(board: Board, clients: int = CLIENTS) -> list[ReadyBoard]:
    """What as many clients find that come at the same time."""

    async def one() -> ReadyBoard:
        async with connected(board) as connection:
            return await prepare(connection, board)

    async def all_of_them() -> list[ReadyBoard]:
        return await asyncio.gather(*(one() for _ in range(clients)))

    return asyncio.run(all_of_them())


def halves(machine: Machine) -> list[Path]:
    return list(machine.edgecnn.rglob("*.part"))


def test_clients_that_come_at_the_same_time_bring_the_code_whole(machine):
    first, *others = prepared(board_of(machine))
    assert others == [first] * (CLIENTS - 1)
    code = Path(first.code)
    package = Path(preparing.__file__).parents[1]
    for path in package.rglob("*.py"):
        assert (code / "edgecnn" / path.relative_to(package)).read_bytes() == path.read_bytes()
    assert not halves(machine)


def test_a_half_that_another_client_left_is_no_code(machine):
    (ready,) = prepared(board_of(machine), clients=1)
    code = Path(ready.code)
    (code / "complete").unlink()
    (code / "edgecnn" / "cli" / "__init__.py").unlink()
    prepared(board_of(machine))
    assert (code / "edgecnn" / "cli" / "__init__.py").exists()


@pytest.mark.slow
def test_clients_that_come_at_the_same_time_make_one_environment(machine, monkeypatch, tmp_path):
    """Without network: each sends the wheels, one unpacks them."""
    served = tmp_path / "wheels"
    served.mkdir()
    for name in (*preparing.NEEDED, "markupsafe", "markdown-it-py", "mdurl", "pygments"):
        wheelhouse.write(metadata.distribution(name), served)
    monkeypatch.setattr(preparing.wheels, "collect", lambda *_: sorted(served.glob("*.whl")))
    python = f"{sys.base_prefix}/bin/python3"
    ready = prepared(board_of(machine, python=python, offline=True), clients=3)
    assert len({each.python for each in ready}) == 1
    environment = Path(ready[0].python).parents[1]
    assert (environment / "complete").exists()
    assert not halves(machine)

    async def imported() -> dict[str, object]:
        board = board_of(machine)
        script = f"""
import {", ".join(preparing.NEEDED)}
print({preparing.ANSWER!r} + '{{"here": true}}')
"""
        async with connected(board) as connection:
            return await ask(connection, board, [ready[0].python, "-"], script=script)

    assert asyncio.run(imported()) == {"here": True}


def test_clients_that_send_the_same_files_at_the_same_time_disturb_none(machine, tmp_path):
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.bin")
        paths[-1].write_bytes(bytes([number]) * (3 << 20))
    parcels, board = [transfer.upload_of(path) for path in paths], board_of(machine)
    home = PurePosixPath(machine.edgecnn)

    async def one() -> None:
        async with connected(board) as connection:
            await transfer.send(connection, board, sys.executable, home, parcels)

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(CLIENTS)))

    asyncio.run(all_of_them())
    for each in parcels:
        assert (machine.edgecnn / each.place).read_bytes() == each.path.read_bytes()
    assert not halves(machine)


def hang(fleet: Fleet, server: str) -> Board:
    """A board whose file server is `server`, a command of a shell."""
    if not FILE_SERVER.exists():
        pytest.skip("the SSH server has no file server of its own")
    script = fleet.folder / "command"
    script.write_text(
        '#!/bin/sh\ncase "$SSH_ORIGINAL_COMMAND" in\n'
        f'*sftp*) {server};;\n*) exec sh -c "$SSH_ORIGINAL_COMMAND";;\nesac\n'
    )
    script.chmod(0o755)
    return Board(fleet.start("one", more=f"ForceCommand {script}"), name="one")


@pytest.mark.parametrize(
    "server",
    ["exec sleep 600", f"(head -c 300000; exec sleep 600) | {FILE_SERVER}"],
    ids=["from the start", "in the middle"],
)
def test_a_file_server_that_hangs_is_a_lost_connection(fleet, monkeypatch, server):
    board = hang(fleet, server)
    monkeypatch.setattr(transfer, "STALL_SECS", 1.0)

    async def upload() -> None:
        async with connected(board) as connection:
            content = bytes(1 << 20)
            await transfer.upload(connection, board, {str(fleet.folder / "there"): content})

    with pytest.raises(LostError, match="nothing of a file has moved"):
        asyncio.run(upload())


def test_results_that_stop_on_their_way_are_a_lost_connection(fleet, monkeypatch):
    board = hang(fleet, f"{FILE_SERVER} | (head -c 300000; exec sleep 600)")
    monkeypatch.setattr(transfer, "STALL_SECS", 1.0)
    source = fleet.folder / "results.json"
    source.write_bytes(bytes(2 << 20))

    async def fetch() -> bytes:
        async with connected(board) as connection:
            return await transfer.fetch(connection, board, str(source), 8 << 20)

    with pytest.raises(LostError, match="nothing of a file has moved"):
        asyncio.run(fetch())


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_command_that_does_not_end_is_not_waited_for(machine, interrupted):
    """Neither when its time is over nor when the user ends the work here."""
    board = board_of(machine)

    async def sleep() -> None:
        async with connected(board) as connection:
            limit = 600.0 if interrupted else 2.0
            await execute(connection, board, ["sleep", "20"], timeout=limit)

    def sleeping() -> bool:
        commands = [Path(f"/proc/{process}/cmdline") for process in machine.processes()]
        return any(b"sleep\x0020" in path.read_bytes() for path in commands if path.exists())

    async def left() -> None:
        task = asyncio.create_task(sleep())
        while not sleeping() and not task.done():
            await asyncio.sleep(0.02)
        if interrupted:
            task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError if interrupted else LostError):
        asyncio.run(left())
    assert sleeping()


def test_what_a_command_complains_of_is_no_missing_python(fleet):
    """Only a shell's own exit code says that there is no such program."""
    odd = fleet.folder / "odd"
    odd.write_text("#!/bin/sh\necho libpython3.so: No such file or directory >&2; exit 1\n")
    odd.chmod(0o755)
    board = Board(fleet.start("one"), python=str(odd), name="one")
    with pytest.raises(BoardError, match=r"gave an unreadable answer \(exit code 1\)"):
        prepared(board, clients=1)
