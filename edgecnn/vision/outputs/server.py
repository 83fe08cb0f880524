"""A browser view where there is no screen: a page, an MJPEG stream and the state as JSON.

Bound to loopback unless an address is given. There is one table of paths and no file system
behind it. A browser that was lured here under a foreign name (DNS rebinding) is refused by its
Host header, and commands are taken on loopback alone, as JSON from the page itself.

Python's own server serves: starlette and uvicorn take 6 MB and 0.18 s to import, against 0.06 s for
`http.server`, and would bring an event loop into a process whose threads are those of the pipeline.
"""

from __future__ import annotations

import io
import ipaddress
import json
import queue
import re
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socketserver import TCPServer
from typing import Any

from edgecnn.errors import InputError
from edgecnn.vision.opencv import quiet_cv2
from edgecnn.vision.outputs.clients import Clients, RequestReader
from edgecnn.vision.sources.frames import ImageArray

JPEG_QUALITY = 80
SEND_BUFFER_BYTES = 1 << 17
"""Little: what waits in the kernel for a slow client is what that client sees late."""
CLIENT_TIMEOUT_S = 10.0
"""For one answer, or one image of a stream, to be taken whole."""
AGAIN_AFTER_S = 5.0
COMMANDS = ("pause", "step", "save", "runtime", "model", "explain")
LONGEST_COMMAND_BYTES = 200
_PAGES = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
}


class LiveServer:
    """Serves the newest frame that `publish` was given. Slow clients skip frames.

    Raises InputError when the address is not valid or is taken.
    """

    def __init__(self, address: str) -> None:
        host, port = parse_address(address)
        self.commands: queue.Queue[str] = queue.Queue(16)
        self.newest = _Newest()
        self.controllable = is_loopback(host)
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            raise InputError(
                f"cannot serve on {host}:{port}: {error.strerror}",
                hint="another port, as in --serve :8081 (0 takes any that is free)",
            ) from error
        self.address: str = host
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="serve", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to look; for an address that stands for all, this machine's name."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        if self.address in ("0.0.0.0", "::"):  # noqa: S104 (only where the user said so)
            host = socket.gethostname()
        return f"http://{host}:{self.port}/"

    def publish(self, image: ImageArray, state: Mapping[str, Any]) -> None:
        """Make `image` (which nobody changes any more) the newest; takes no time."""
        self.newest.put(image, state)

    def close(self) -> None:
        """Stop; open streams end."""
        self.newest.end()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)


class _Newest:
    """The newest frame, encoded once, when the first client asks for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._image: ImageArray | None = None
        self._number = 0
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._ended = False
        self.state: Mapping[str, Any] = {}

    def put(self, image: ImageArray, state: Mapping[str, Any]) -> None:
        with self._changed:
            self._image, self.state = image, state
            self._number += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def after(self, number: int, timeout_s: float) -> tuple[int, bytes] | None:
        """Number and JPEG of a frame newer than `number`; None at the end or when none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._number > number, timeout_s)
            if self._ended or self._number <= number or self._image is None:
                return None
            image, number = self._image, self._number
        with self._encoding:
            if self._jpeg[0] < number:
                cv2 = quiet_cv2()
                ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
                self._jpeg = (number, data.tobytes() if ok else b"")
            return self._jpeg

    @property
    def ended(self) -> bool:
        return self._ended


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], live: LiveServer) -> None:
        self.live = live
        self.clients = Clients()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without HTTPServer's look-up of its own name in the DNS

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.clients.admit(request, client_address[0]):
            super().process_request(request, client_address)
        else:  # more clients than anybody has screens
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.clients.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not an error of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = CLIENT_TIMEOUT_S
    rbufsize = 0
    server_version = "edgecnn"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self._reader = RequestReader(self.connection)
        self.rfile = io.BufferedReader(self._reader, 1 << 12)

    def handle_one_request(self) -> None:
        self._reader.begin()
        self.server.clients.waiting(self.connection, waiting=True)
        super().handle_one_request()

    def parse_request(self) -> bool:
        whole = super().parse_request()
        self.server.clients.waiting(self.connection, waiting=False)
        return whole

    def do_GET(self) -> None:
        if not self._known_host():
            return
        path = self.path.partition("?")[0]
        if path in _PAGES:
            name, kind = _PAGES[path]
            self._answer((files("edgecnn.vision.outputs") / "page" / name).read_bytes(), kind)
        elif path == "/state.json":
            live = self.server.live
            state = {**live.newest.state, "controllable": live.controllable}
            self._answer(json.dumps(state).encode(), "application/json")
        elif path == "/snapshot.jpg":
            self._snapshot()
        elif path == "/stream.mjpg":
            self._stream()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        if not self._known_host():
            return
        live = self.server.live
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else -1
        if self.path != "/command":
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")
        elif not live.controllable or not self._from_own_page():
            self._refuse(HTTPStatus.FORBIDDEN, "commands are taken from this machine's page only")
        elif not 0 <= size <= LONGEST_COMMAND_BYTES:
            self._refuse(HTTPStatus.BAD_REQUEST, "a command is short")
        else:
            self._command(self.rfile.read(size))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's word)
        """Requests are not worth a line each."""

    def _command(self, body: bytes) -> None:
        try:
            wanted = json.loads(body)["do"]
        except (ValueError, KeyError, TypeError):
            wanted = None
        if wanted not in COMMANDS:
            self._refuse(HTTPStatus.BAD_REQUEST, f"commands: {', '.join(COMMANDS)}")
            return
        try:
            self.server.live.commands.put_nowait(wanted)
        except queue.Full:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many commands at once")
            return
        self._answer(b"{}", "application/json")

    def _snapshot(self) -> None:
        newest = self.server.live.newest.after(0, 2.0)
        if newest is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no image yet")
        else:
            self._answer(newest[1], "image/jpeg")

    def _stream(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.send_response(HTTPStatus.OK)
        self._headers("multipart/x-mixed-replace; boundary=frame")
        if self.command == "HEAD":
            return
        newest, number = self.server.live.newest, 0
        while not newest.ended:
            newer = newest.after(number, AGAIN_AFTER_S)
            if newer is None:
                number = 0  # paused: the same frame again shows whether the client still listens
                continue
            number, jpeg = newer
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(body)))
        self._headers(kind)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        body = why.encode() + b"\n"
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self._headers("text/plain; charset=utf-8")
        if self.command != "HEAD":
            self.wfile.write(body)

    def _headers(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
        )
        self.end_headers()

    def _known_host(self) -> bool:
        if is_own_name(self.headers.get("Host", "")):
            return True
        self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this machine is not called that")
        return False

    def _from_own_page(self) -> bool:
        """Other sites cannot send JSON here without asking first, and nobody answers them."""
        origin = self.headers.get("Origin")
        own = origin is None or origin == f"http://{self.headers.get('Host', '')}"
        return own and self.headers.get_content_type() == "application/json"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ":8080", "8080", "0.0.0.0:8080" or "[::1]:8080"; loopback by default."""
    text = text.strip()
    match = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[\w.-]*):)?(\d{1,5})", text)
    if match is None or int(match[2]) > 65535:
        raise InputError(
            f"not an address to serve on: {text!r}", hint="pass :PORT or ADDRESS:PORT, as in :8080"
        )
    return (match[1] or "").strip("[]") or "127.0.0.1", int(match[2])


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_name(host_header: str) -> bool:
    """Whether a Host header can mean this machine: a bare address, localhost or its own name.

    An attacker's page can make its own name point here, but cannot make a browser send an
    address or this machine's name instead of it.
    """
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?", host_header)
    if match is None:
        return False
    host = match[1].strip("[]").lower()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        own = socket.gethostname().lower()
        return host in ("localhost", own, own.partition(".")[0], f"{own.partition('.')[0]}.local")
    return True
