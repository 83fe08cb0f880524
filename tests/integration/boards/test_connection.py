"""What ~/.ssh says is followed as ssh follows it: a host is never taken for the board unchecked."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from edgecnn.boards.connection import BoardError, JobError, LostError, connected, execute
from edgecnn.boards.inventory import Board
from tests.integration.boards.machines import Fleet


def reached(address: str, key: str = "") -> str:
    """What the board echoes."""

    async def echoed() -> str:
        board = Board(address, key=key, name="one")
        async with connected(board) as connection:
            return (await execute(connection, board, ["echo", "here"]))[1].strip()

    return asyncio.run(echoed())


def refused(address: str, key: str = "") -> BoardError:
    with pytest.raises(BoardError) as error:
        reached(address, key)
    assert not isinstance(error.value, JobError)
    return error.value


def configure(fleet: Fleet, text: str) -> None:
    (fleet.home / ".ssh" / "config").write_text(text)


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


@pytest.mark.parametrize(
    "text",
    [
        "UserKnownHostsFile none",
        "UserKnownHostsFile ~/.ssh/not-there",
        "Match final\n  UserKnownHostsFile none",
    ],
)
def test_a_host_whose_key_no_file_holds_is_refused_whatever_the_configuration(fleet, text):
    address = fleet.start("one", known=False)
    configure(fleet, text)
    error = refused(address)
    assert error.message == "one: its host key is unknown or has changed"
    assert "UserKnownHostsFile in ~/.ssh/config" in error.hint


def test_host_keys_are_found_in_the_files_that_are_listed_and_there(fleet):
    address = fleet.start("one")
    (fleet.home / ".ssh" / "known_hosts").rename(fleet.home / ".ssh" / "lab")
    configure(fleet, "UserKnownHostsFile ~/.ssh/not-there ~/.ssh/lab")
    assert reached(address) == "here"
    configure(fleet, "")
    assert "its host key is unknown" in refused(address).message


def test_jump_hosts_are_checked_too(fleet):
    jump, target = fleet.start("jump", known=False), fleet.start("target")
    assert reached(target) == "here"
    configure(
        fleet,
        f"Host target\n  HostName 127.0.0.1\n  Port {port_of(target)}\n  ProxyJump jump\n"
        f"Host jump\n  HostName 127.0.0.1\n  Port {port_of(jump)}\n"
        "  UserKnownHostsFile none\n",
    )
    error = refused("ssh://target")
    assert error.message == "one: jump host jump: its host key is unknown or has changed"


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_board_is_reached_over_a_jump_host(fleet, everywhere):
    """`Host *` with a ProxyJump does not send the jump host over itself."""
    jump, target = fleet.start("jump"), fleet.start("target")
    configure(
        fleet,
        f"Host target\n  HostName 127.0.0.1\n  Port {port_of(target)}\n"
        f"Host jump\n  HostName 127.0.0.1\n  Port {port_of(jump)}\n"
        f"Host {'*' if everywhere else 'target'}\n  ProxyJump jump\n",
    )
    assert reached("ssh://target") == "here"


@pytest.mark.parametrize(
    "line",
    [
        "PubkeyAuthentication unbound",
        "ServerAliveInterval 1m",
        "ConnectTimeout none",
        "Match sessiontype shell",
        "IdentityFile ${NO_SUCH_VARIABLE}/key",
        "ProxyJump a/b",
        "IdentityFile ~nosuchuser/key",
    ],
)
def test_a_line_of_the_configuration_that_asyncssh_does_not_take_is_said(fleet, line):
    configure(fleet, line + "\n")
    error = refused("ssh://127.0.0.1:1")
    assert error.message.startswith("one: invalid SSH configuration in ~/.ssh: ")
    assert not isinstance(error, LostError)


def test_a_damaged_line_of_known_hosts_is_said(fleet):
    address = fleet.start("one")
    with (fleet.home / ".ssh" / "known_hosts").open("a") as hosts:
        hosts.write("half\n")
    assert "Invalid known hosts entry: half" in refused(address).message


def test_a_key_in_the_home_of_nobody_is_not_there(fleet):
    assert "there is no key ~nosuchuser/k" in refused("ssh://127.0.0.1:1", "~nosuchuser/k").message


@pytest.fixture
def agent(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent of ssh that holds nothing yet."""
    place = fleet.folder / "agent"
    running = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    try:
        while not place.exists():
            assert running.poll() is None
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        yield
    finally:
        running.terminate()
        running.wait()


def test_a_key_with_a_passphrase_is_used_where_the_agent_holds_it(fleet, agent):
    address, key = fleet.start("one"), fleet.home / ".ssh" / "id_ed25519"
    plain = fleet.folder / "plain"
    shutil.copy(key, plain)
    protect = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", str(key)]
    subprocess.run(protect, check=True, capture_output=True)
    error = refused(address, str(key))
    assert error.message == "one: the key is encrypted and not loaded in the SSH agent"
    assert "ssh-add" in error.hint
    subprocess.run(["ssh-add", "-q", str(plain)], check=True, capture_output=True)
    assert reached(address, str(key)) == "here"
