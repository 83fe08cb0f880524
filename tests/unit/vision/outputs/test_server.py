from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from itertools import takewhile

import cv2
import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.outputs import clients
from edgecnn.vision.outputs.server import LiveServer, _Handler, is_own_name, parse_address

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server():
    server = LiveServer(":0")
    yield server
    server.close()


def ask(server, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", ("127.0.0.1", 8080)),
        ("8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_loopback_unless_an_address_is_told(text: str, address: tuple[str, int]):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":", "host", ":99999", "a b:80", "http://x:80"])
def test_what_is_no_address_says_how_one_looks(text: str):
    with pytest.raises(InputError, match="not an address"):
        parse_address(text)


def test_a_taken_port_is_a_clear_line(server):
    with pytest.raises(InputError, match="cannot serve on"):
        LiveServer(f":{server.port}")


def test_page_image_and_state_are_served(server):
    server.publish(np.zeros((48, 64, 3), np.uint8), {"fps": 30.0})
    page, content = ask(server, "/")
    assert page.status == 200
    assert b"/stream.mjpg" in content
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    image, content = ask(server, "/snapshot.jpg")
    assert image.headers["Content-Type"] == "image/jpeg"
    assert content[:2] == b"\xff\xd8"
    state = json.loads(ask(server, "/state.json")[1])
    assert state == {"fps": 30.0, "controllable": True}


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/..%2f..%2fetc/passwd", "//etc/passwd", "/page/live.html", "/live.html"],
)
def test_there_is_nothing_behind_the_table_of_paths(server, path: str):
    assert ask(server, path)[0].status == 404


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("192.168.1.20:8080", True),
        ("[::1]:8080", True),
        (socket.gethostname(), True),
        ("attacker.example", False),
        ("127.0.0.1.attacker.example:8080", False),
        ("localhost@attacker.example", False),
        ("", False),
    ],
)
def test_a_name_that_an_attacker_could_own_is_not_ours(host: str, own: bool):
    assert is_own_name(host) is own


def test_a_foreign_host_header_sees_no_image(server):
    answer, content = ask(server, "/snapshot.jpg", headers={"Host": "attacker.example"})
    assert answer.status == 421
    assert b"\xff\xd8" not in content


def test_the_page_can_command_and_other_sites_cannot(server):
    body = json.dumps({"do": "pause"})
    own = f"http://127.0.0.1:{server.port}"
    for headers, status in (
        ({"Content-Type": "text/plain"}, 403),
        ({**JSON, "Origin": "https://attacker.example"}, 403),
        ({**JSON, "Origin": own}, 200),
    ):
        assert ask(server, "/command", "POST", body, headers)[0].status == status
    assert server.commands.get_nowait() == "pause"
    assert server.commands.empty()


@pytest.mark.parametrize("body", ["", "[]", '{"do": "quit"}', '{"do": ' + "1" * 500 + "}"])
def test_an_unknown_command_is_refused(server, body: str):
    assert ask(server, "/command", "POST", body, JSON)[0].status == 400


def frame(number: int):
    """Gray, as bright as its number says, with noise at the edge that makes its JPEG large."""
    image = np.full((240, 320, 3), 4 * number, np.uint8)
    image[:160] = np.random.default_rng(number).integers(0, 255, (160, 320, 3), np.uint8)
    return image


def frames_of(stream):
    """The numbers of the frames that come out of an open stream."""
    while line := stream.readline():
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
            stream.readline()
            pixels = cv2.imdecode(np.frombuffer(stream.read(size), np.uint8), cv2.IMREAD_COLOR)
            yield round(float(pixels[200:].mean()) / 4)


def test_every_client_gets_the_stream_and_a_slow_one_holds_nobody_up(server, monkeypatch):
    monkeypatch.setattr(_Handler, "timeout", 600.0)  # nobody hangs up on the slow client
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    slow.connect(("127.0.0.1", server.port))
    slow.sendall(STREAM)  # and does not read yet
    quick = connect(server, timeout=60)
    quick.sendall(STREAM)
    with quick.makefile("rb") as stream:
        seen = []
        numbers = frames_of(stream)
        for number in range(1, 61):
            server.publish(frame(number), {})
            seen.append(next(numbers))
    assert seen == list(range(1, 61))

    slow.settimeout(60)
    with slow.makefile("rb") as stream:
        late = list(takewhile(lambda number: number != 60, frames_of(stream)))
    assert late == sorted(set(late))
    assert len(late) < 59  # what it was too slow for was left out
    slow.close()
    quick.close()


HEAD = b"GET /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
STREAM = b"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def connect(server, *, here="127.0.0.1", timeout=20.0):
    return socket.create_connection(("127.0.0.1", server.port), timeout, source_address=(here, 0))


def closed(client) -> bool:
    """Wait until the other end has hung up (the socket's own timeout fails the test)."""
    try:
        while client.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def test_clients_that_trickle_their_headers_shut_nobody_out(server):
    """Slowloris: each has sent a part of a request and goes on, a byte at a time."""
    slow = [connect(server) for _ in range(40)]
    try:
        for client in slow:
            client.sendall(HEAD)
        for _ in range(3):
            for client in slow:
                with contextlib.suppress(OSError):
                    client.sendall(b"X")
            assert ask(server, "/state.json")[0].status == 200
    finally:
        for client in slow:
            client.close()


def test_a_request_has_a_deadline_as_a_whole(server, monkeypatch):
    monkeypatch.setattr(clients, "REQUEST_S", 0.5)
    client = connect(server)
    client.sendall(HEAD)
    ended = threading.Event()

    def trickle():
        while not ended.wait(0.05):
            with contextlib.suppress(OSError):
                client.send(b"X")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        assert closed(client)
    finally:
        ended.set()
        thread.join()
        client.close()


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"])
def test_an_idle_connection_is_closed_before_and_after_a_request(server, monkeypatch, before):
    monkeypatch.setattr(clients, "REQUEST_S", 0.3)
    with connect(server) as client:
        client.sendall(before)
        assert closed(client)


def test_a_body_that_does_not_come_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(clients, "REQUEST_S", 0.3)
    with connect(server) as client:
        client.sendall(
            b"POST /command HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 20\r\n\r\n{"
        )
        assert closed(client)


@pytest.mark.parametrize(
    "junk", [b"X: " + b"a" * 60_000 + b"\r\n", b"X: a\r\n" * 90, b"X" * 200_000]
)
def test_a_request_of_endless_headers_is_closed(server, junk):
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(HEAD)
            for _ in range(100):
                client.sendall(junk)
        assert closed(client)


def test_one_address_gets_its_share_of_the_places(server):
    server.publish(np.zeros((48, 64, 3), np.uint8), {})
    greedy = []
    try:
        for _ in range(clients.MOST_PER_ADDRESS):
            client = connect(server, here="127.0.0.2")
            client.sendall(STREAM)
            assert client.recv(12) == b"HTTP/1.1 200"
            greedy.append(client)
        with connect(server, here="127.0.0.2") as one_more:
            with contextlib.suppress(ConnectionError):
                one_more.sendall(STREAM)
            assert closed(one_more)
        with connect(server, here="127.0.0.3") as other:
            other.sendall(HEAD + b"\r\n")
            assert other.recv(12) == b"HTTP/1.1 200"
    finally:
        for client in greedy:
            client.close()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_of_ipv6_is_its_network(address: str, network: str):
    assert clients.network_of(address) == network


def test_streams_end_when_the_server_does():
    server = LiveServer(":0")
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    client.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    server.close()
    while client.recv(1 << 16):
        pass
    client.close()
