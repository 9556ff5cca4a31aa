"""The hot path: queries over UDP whose answers are kept are answered here, and never read.

A query that came before is known by its bytes; all that its answer needs is the query's id, which is
in its place already when the answer is written over the query. So one query costs a look-up, a copy
and a sixty-fourth of two system calls. Everything else goes to `handle`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from podyard.dns.answers import Answers
from podyard.dns.counters import DnsMetrics
from podyard.dns.datagrams import SLOT_BYTES, SLOTS, Datagrams

ROUNDS = 16
"""Batches before anything else gets its turn."""

Client = tuple[str, int]
Handle = Callable[[bytes, Callable[[bytes], None]], bool]
"""Answers one message through the function that it is given, now or later."""


class UdpServer:
    """Answers on one non-blocking UDP socket, which it owns."""

    def __init__(self, sock: socket.socket, answers: Answers, handle: Handle, metrics: DnsMetrics) -> None:
        self._sock = sock
        self._datagrams = Datagrams(sock)
        self._rcodes = memoryview(self._datagrams.bytes)[3::SLOT_BYTES]
        self._answers = answers
        self._handle = handle
        self._metrics = metrics
        self._busy = False
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        """Stop to serve."""
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()

    def _readable(self) -> None:
        """Take what the socket holds. A lone query is cheaper by itself; whether more come shows after it."""
        if not self._busy and not self._one():
            return
        for _ in range(ROUNDS):
            number = self._batch()
            if number < SLOTS:
                self._busy = number > 1
                return

    def _one(self) -> bool:
        try:
            raw, client = self._sock.recvfrom(SLOT_BYTES)
        except OSError:
            return False
        answer = self._answers.ready.get(raw[2:])
        if answer is None:
            self._miss(raw, client)
        else:
            self._send(raw[:2] + answer, client)
            self._metrics.answered_kept("udp", answer[1:2])
        return True

    def _batch(self) -> int:
        """Answer up to SLOTS queries; how many there were."""
        datagrams = self._datagrams
        data, sizes, ready = datagrams.bytes, datagrams.sizes, self._answers.ready.get
        lengths = datagrams.receive()
        begin = slot = 0  # the slots between them have answers that are not sent yet
        for start, length in zip(datagrams.starts, lengths, strict=False):
            answer = ready(data[start + 2 : start + length])
            if answer is not None:
                size = len(answer) + 2
                data[start + 2 : start + size] = answer
                sizes[slot] = size
            else:
                self._send_kept(begin, slot)
                self._miss(data[start : start + length], datagrams.client(slot))
                begin = slot + 1
            slot += 1
        self._send_kept(begin, slot)
        return slot

    def _send_kept(self, begin: int, end: int) -> None:
        if begin < end:
            self._datagrams.send(begin, end)
            self._metrics.answered_kept("udp", bytes(self._rcodes[begin:end]))

    def _miss(self, raw: bytes, client: Client) -> None:
        self._handle(raw, lambda answer: self._send(answer, client))

    def _send(self, answer: bytes, client: Client) -> None:
        try:
            self._sock.sendto(answer, client)
        except OSError:
            pass  # the client is gone, its buffer is full, or the server has stopped: datagrams get lost
