"""The inventory of boards: what is entered comes back, and nothing secret gets in."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.boards import inventory
from edgecnn.boards.inventory import Board, parse_address
from edgecnn.cli import invoke
from edgecnn.errors import InputError


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ssh://pi@10.0.0.7", ("pi", "10.0.0.7", 0)),
        ("ssh://pi@rpi5.local:2222", ("pi", "rpi5.local", 2222)),
        ("pi@rpi5", ("pi", "rpi5", 0)),
        ("rpi5", ("", "rpi5", 0)),
        ("ssh://[fe80::1]:22", ("", "fe80::1", 22)),
        ("ssh://pi@RPi5.Lab:22", ("pi", "RPi5.Lab", 22)),
        ("RPi5", ("", "RPi5", 0)),
    ],
)
def test_addresses_are_read_as_ssh_reads_them(text, parts):
    assert parse_address(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "ssh://", "http://host", "ssh://host/path", "ssh://-oProxyCommand=x", "ssh://a b",
     "ssh://host:99999", "ssh://host:x", "-oProxyCommand=touch x", "ssh://$(x)@host",
     "ssh://host?x=1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputError):
        parse_address(text)


def test_a_password_is_neither_stored_nor_repeated(capsys):
    assert invoke(["boards", "add", "one", "ssh://me:s3cret@host"]) == 2
    said = capsys.readouterr()
    assert "s3cret" not in said.out + said.err
    assert not inventory.file_of_boards().exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    python=st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1).filter(
        str.isprintable
    ),
    tags=st.lists(st.text(), max_size=3).map(tuple),
)
def test_a_board_comes_back_as_it_was_entered(python, tags):
    board = Board("ssh://pi@host", python, ("litert",), "~/.ssh/key", tags, "my.board-1", True)
    inventory.add(board, force=True)
    assert inventory.load()["my.board-1"] == board


def test_boards_are_chosen_by_name_tag_and_address():
    for name, tags in (("one", ("arm",)), ("two", ("arm", "fast")), ("three", ())):
        inventory.add(Board(f"ssh://{name}", tags=tags, name=name))
    assert [board.name for board in inventory.choose(["arm", "one"])] == ["one", "two"]
    (found,) = inventory.choose(["ssh://pi@10.0.0.7:2222"])
    assert found.name == "pi-10.0.0.7-2222"
    with pytest.raises(InputError, match="unknown board 'tow'") as unknown:
        inventory.choose(["tow"])
    assert "did you mean 'two'" in unknown.value.hint


def test_two_users_of_one_host_are_two_boards():
    found = inventory.choose(["ssh://a@host", "ssh://b@host"])
    assert [(board.name, board.where[0]) for board in found] == [("a-host", "a"), ("b-host", "b")]


def test_an_address_that_would_be_called_like_another_board_is_refused():
    inventory.add(Board("ssh://pi@10.0.0.7", name="rpi5"))
    inventory.add(Board("ssh://lab", name="lab"))
    with pytest.raises(InputError, match="have one name") as refused:
        inventory.choose(["ssh://rpi5"])
    assert "boards add NAME" in refused.value.hint
    with pytest.raises(InputError, match="would both be called a-b-host"):
        inventory.choose(["ssh://a@b-host", "ssh://a-b@host"])
    (same,) = inventory.choose(["lab", "ssh://lab"])
    assert same.address == "ssh://lab"


@pytest.mark.parametrize(
    "text",
    ["boards = 1", "[boards.x]\npython = 3\naddress = 'h'", "[boards.x]", "[[[",
     "[boards.x]\naddress = 'ssh://a:b@c'", "[boards.'../x']\naddress = 'h'", "[boards]\nx = 1"],
)  # fmt: skip
def test_a_damaged_inventory_is_bad_input(text, capsys):
    inventory.file_of_boards().write_text(text)
    assert invoke(["boards", "list"]) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 5_000], ids=["levels", "digits"])
def test_an_inventory_that_is_too_much_for_the_reader_is_bad_input(value, capsys):
    inventory.file_of_boards().write_text(f"x = {value}")
    assert invoke(["boards", "list"]) == 2
    assert "not valid TOML" in capsys.readouterr().err


def test_adding_listing_and_removing(capsys):
    assert invoke(["boards", "add", "one", "ssh://pi@10.0.0.7", "--extra", "litert"]) == 0
    assert invoke(["boards", "add", "one", "ssh://pi@10.0.0.8"]) == 2
    assert invoke(["boards", "list"]) == 0
    assert "ssh://pi@10.0.0.7" in capsys.readouterr().out
    assert invoke(["boards", "remove", "one"]) == 0
    assert invoke(["boards", "remove", "one"]) == 2
    assert invoke(["boards", "check"]) == 2
