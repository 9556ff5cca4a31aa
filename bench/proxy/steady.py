"""A load program: HTTP requests at a steady rate, of which every single one is accounted for.

`python -m bench.proxy.steady ADDRESS PORT RATE KEPT`: RATE requests a second, each on a connection of its
own, or on KEPT connections that are used again. It says "running" when the first answer is there, and when
its standard input ends a line of JSON with what became of the requests.

As every client does (RFC 9110, section 9.2.2) it repeats a request when a connection that has answered
before ends without a byte of an answer: the server may have closed it at the moment of asking.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass

REQUEST = b"GET / HTTP/1.1\r\nHost: load\r\n\r\n"
LAST_REQUEST = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
ANSWER_SECONDS = 10.0
AT_ONCE = 256
"""Requests under way; when there are as many, the next one waits."""
BEHIND_SECONDS = 0.1
"""What could not be asked for so long is not made up for."""
REQUESTS_PER_CONNECTION = 100
"""Then a kept connection is replaced: clients come and go."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    asked: float = 0.0
    """When its request was due to be sent; 0 while there is none."""
    sent: bool = False
    answered: int = 0
    answer: bytes = b""


class Steady:
    """The requests of one process."""

    def __init__(self, target: tuple[str, int], rate: float, kept: int) -> None:
        self._target = target
        self._rate = rate
        self._kept = kept
        self._request = REQUEST if kept else LAST_REQUEST
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._under_way = 0
        self.answered = 0
        self.repeated = 0
        self.longest = 0.0
        self.failures: Counter[str] = Counter()

    def run(self) -> float:
        """Ask until standard input ends, then wait for the answers that are due; how long it asked."""
        self._epoll.register(0, select.EPOLLIN)
        started = began = looked = time.monotonic()
        begun = 0
        asking = True
        while asking or self._under_way:
            now = time.monotonic()
            if asking:
                if now - began - begun / self._rate > BEHIND_SECONDS:
                    began = now - begun / self._rate
                while begun <= (now - began) * self._rate and self._may_ask():
                    begun += 1
                    self._ask(self._free_connection(), now)
            for descriptor, events in self._epoll.poll(0.001):
                if descriptor == 0:
                    asking = False
                    self._epoll.unregister(0)
                    seconds = now - started
                elif connection := self._connections.get(descriptor):
                    self._ready(connection, events)
            if now - looked > 1:
                looked = now
                self._give_up(now - ANSWER_SECONDS)
        return seconds

    def _may_ask(self) -> bool:
        if self._kept:
            return bool(self._idle) or len(self._connections) < self._kept
        return self._under_way < AT_ONCE

    def _free_connection(self) -> _Connection:
        return self._idle.popleft() if self._idle else self._connect()

    def _connect(self) -> _Connection:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection = _Connection(sock)
        sock.connect_ex(self._target)  # what it says comes again with the first send
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        return connection

    def _ask(self, connection: _Connection, due: float) -> None:
        self._under_way += 1
        connection.asked, connection.sent, connection.answer = due, False, b""
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            connection.sock.send(self._request)
        except BlockingIOError:
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        except OSError as error:
            self._broken(connection, error)
        else:
            connection.sent = True

    def _ready(self, connection: _Connection, events: int) -> None:
        if connection.asked and not connection.sent:
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN)
            self._send(connection)
            return
        try:
            piece = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(connection, error)
            return
        if not piece:
            self._broken(connection, ConnectionResetError("ended by the server"))
            return
        connection.answer += piece
        if _is_whole(connection.answer):
            self._done(connection)

    def _done(self, connection: _Connection) -> None:
        if connection.answer[9:12] == b"200":
            self.answered += 1
        else:
            self.failures[connection.answer[:40].decode(errors="replace")] += 1
        if self.answered == 1:
            print("running", flush=True)
        self.longest = max(self.longest, time.monotonic() - connection.asked)
        self._under_way -= 1
        connection.asked = 0.0
        connection.answered += 1
        last = connection.answered == REQUESTS_PER_CONNECTION or b"\r\nConnection: close" in connection.answer
        if self._kept and not last:
            self._idle.append(connection)
        else:
            self._close(connection)

    def _broken(self, connection: _Connection, error: OSError) -> None:
        self._close(connection)
        if not connection.asked:
            self._idle.remove(connection)
            return
        self._under_way -= 1
        if connection.answered and not connection.answer:
            self.repeated += 1
            self._ask(self._connect(), connection.asked)
        else:
            self.failures[f"{error} after {len(connection.answer)} bytes"] += 1

    def _give_up(self, before: float) -> None:
        for connection in list(self._connections.values()):
            if connection.asked and connection.asked < before:
                self._under_way -= 1
                self._close(connection)
                self.failures[f"no answer in {ANSWER_SECONDS:g} s"] += 1

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.sock.fileno()]
        connection.sock.close()


def _is_whole(answer: bytes) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(answer, 0, end + 2)
    return length is not None and len(answer) - end - 4 >= int(length[1])


def main(address: str, port: str, rate: str, kept: str) -> None:
    """Run, and print the result."""
    load = Steady((address, int(port)), float(rate), int(kept))
    seconds = load.run()
    result = {"answered": load.answered, "repeated": load.repeated, "failures": load.failures}
    print(json.dumps({**result, "seconds": seconds, "longest": load.longest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
