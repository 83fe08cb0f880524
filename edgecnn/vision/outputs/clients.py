"""Clients of the browser view: their number, duration and order of eviction.

A client that sends its request a byte at a time, or none at all, costs a thread and a place. So
a whole request has a deadline and a size, an address has its share of the places, and where none
is left, a newcomer takes the place of whoever has been waited for longest.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

MOST_CLIENTS = 32
MOST_PER_ADDRESS = 16
REQUEST_S = 5.0
"""From the first moment that a request may come to its last byte."""
MOST_REQUEST_BYTES = 32 << 10


@dataclass(eq=False)
class Client:
    """A connection. `waiting` until its request is there; then it is answered or watches."""

    socket: socket.socket
    network: str
    waiting: bool = True
    since: float = field(default_factory=time.monotonic)


class Clients:
    """The connections that are open. For several threads."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, Client] = {}
        self._guard = threading.Lock()

    def admit(self, connection: socket.socket, address: str) -> bool:
        """Give a newcomer a place; False when all are taken by clients that are being answered."""
        newcomer = Client(connection, network_of(address))
        with self._guard:
            neighbors = [
                client for client in self._open.values() if client.network == newcomer.network
            ]
            for clients, most in (
                (neighbors, MOST_PER_ADDRESS),
                (list(self._open.values()), MOST_CLIENTS),
            ):
                if len(clients) >= most and not self._dismiss_one(clients):
                    return False
            self._open[connection] = newcomer
        return True

    def leave(self, connection: socket.socket) -> None:
        """The connection is closed."""
        with self._guard:
            self._open.pop(connection, None)

    def waiting(self, connection: socket.socket, waiting: bool) -> None:
        """Whether a request of this connection is still being waited for."""
        with self._guard:
            client = self._open.get(connection)
            if client is not None:
                client.waiting, client.since = waiting, time.monotonic()

    def _dismiss_one(self, clients: list[Client]) -> bool:
        """Hang up on the one that has been waited for longest; False when nobody is waited for."""
        idle = [client for client in clients if client.waiting]
        if not idle:
            return False
        oldest = min(idle, key=lambda client: client.since)
        del self._open[oldest.socket]
        with contextlib.suppress(OSError):  # it may have gone by itself
            oldest.socket.shutdown(socket.SHUT_RDWR)  # its thread wakes up and ends
        return True


class RequestReader(io.RawIOBase):
    """What a client sends, within the time and the bytes that one request may take.

    Raises TimeoutError beyond either: http.server closes the connection then.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        """A new request may come now."""
        self._until = time.monotonic() + REQUEST_S
        self._left = MOST_REQUEST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the request took too long")
        if self._left <= 0:
            raise TimeoutError("the request is too large")
        before = self._connection.gettimeout()
        self._connection.settimeout(remaining)
        try:
            count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        finally:
            self._connection.settimeout(before)
        self._left -= count
        return count


def network_of(address: str) -> str:
    """The address, or of IPv6 the network of 64 bits that one customer has all to himself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(parsed), 64), strict=False))
