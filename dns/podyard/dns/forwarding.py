"""Names outside of the cluster: asked of the upstream servers, one after the other.

Equal questions that are asked at the same time go upstream once. That also ends loops: when an
upstream asks us what we are just asking it, that question joins ours, is answered by the next
upstream, or fails with it, and is never sent round again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from podyard.dns.types import NOERROR, NXDOMAIN
from podyard.dns.wire import HEADER_BYTES, LARGEST_BYTES, QR, Query

TIMEOUT_SECONDS = 1.5
"""How long one upstream may take."""
ROUNDS = 2
"""How often each is asked: a datagram may be lost."""
PASSED_OVER_SECONDS = 10.0
"""How long one that did not answer comes last."""
CONCURRENT = 1000
"""Questions under way; more than that fail at once."""
LOOK_SECONDS = 1.0
"""How long resolv.conf is taken to be unchanged."""

Upstream = tuple[str, int]

logger = logging.getLogger("dns")
_random = random.SystemRandom()


class NoAnswer(Exception):
    """No upstream has answered."""


@dataclass(slots=True)
class _Health:
    failed_at: float = float("-inf")
    reported: bool = False


class Forwarder:
    """Asks upstreams. `upstreams` is called for every question and gives them in order."""

    def __init__(self, upstreams: Callable[[], list[Upstream]], timeout: float = TIMEOUT_SECONDS) -> None:
        self._upstreams = upstreams
        self._timeout = timeout
        self._asking: dict[tuple[bool, bytes, bytes, bytes], asyncio.Task[bytes]] = {}
        self._health: dict[Upstream, _Health] = {}

    def available(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._upstreams())

    async def ask(self, query: Query, *, tcp: bool) -> bytes:
        """The answer to `query`, with its id and letter case. Raises NoAnswer."""
        raw, end = query.raw, query.name_end
        # Only the name is compared without regard to case: in the bytes after it, 65 and 97 differ.
        key = (tcp, raw[2:HEADER_BYTES], raw[HEADER_BYTES:end].lower(), raw[end:])
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= CONCURRENT:
                raise NoAnswer("too many questions are under way")
            task = self._asking[key] = asyncio.create_task(self._ask_all(raw, end, tcp))
            task.add_done_callback(lambda done: self._done(key, done))
        answer = await asyncio.shield(task)
        return raw[:2] + answer[2:HEADER_BYTES] + raw[HEADER_BYTES:end] + answer[end:]

    def _done(self, key: tuple[bool, bytes, bytes, bytes], task: asyncio.Task[bytes]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # whoever asked has seen it; nobody may be left

    async def _ask_all(self, raw: bytes, name_end: int, tcp: bool) -> bytes:
        loop = asyncio.get_running_loop()
        refusal = b""
        upstreams = self._upstreams()
        recent = loop.time() - PASSED_OVER_SECONDS
        upstreams.sort(key=lambda one: self._health_of(one).failed_at >= recent)  # stable: order is kept
        for upstream in upstreams * ROUNDS:
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await (_ask_tcp if tcp else _ask_udp)(upstream, raw, name_end)
            except (OSError, TimeoutError, EOFError) as error:
                self._failed(upstream, error)
                continue
            self._answered(upstream)
            if answer[3] & 15 in (NOERROR, NXDOMAIN):
                return answer
            refusal = refusal or answer  # another may know more, as resolv.conf(5) has it
        if refusal:
            return refusal
        raise NoAnswer("no upstream answers")

    def _health_of(self, upstream: Upstream) -> _Health:
        return self._health.setdefault(upstream, _Health())

    def _failed(self, upstream: Upstream, error: Exception) -> None:
        health = self._health_of(upstream)
        health.failed_at = asyncio.get_running_loop().time()
        if not health.reported:
            health.reported = True
            logger.warning("upstream %s:%d does not answer: %s", *upstream, str(error) or "timeout")

    def _answered(self, upstream: Upstream) -> None:
        health = self._health_of(upstream)
        if health.reported:
            logger.info("upstream %s:%d answers again", *upstream)
        self._health[upstream] = _Health()


def _disguise(raw: bytes) -> bytes:
    """The query under an id that nobody can guess."""
    return struct.pack("!H", _random.randrange(65536)) + raw[2:]


def _answers(answer: bytes, sent: bytes, name_end: int) -> bool:
    end = name_end + 4
    return (
        len(answer) >= end
        and answer[:2] == sent[:2]
        and bool(answer[2] & QR >> 8)
        and answer[HEADER_BYTES:name_end].lower() == sent[HEADER_BYTES:name_end].lower()
        and answer[name_end:end] == sent[name_end:end]
    )


def _socket(upstream: Upstream, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in upstream[0] else socket.AF_INET
    return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


async def _ask_udp(upstream: Upstream, raw: bytes, name_end: int) -> bytes:
    """One datagram from a port of its own, and the first datagram back that answers it."""
    loop = asyncio.get_running_loop()
    sent = _disguise(raw)
    with _socket(upstream, socket.SOCK_DGRAM) as sock:
        sock.connect(upstream)
        sock.send(sent)
        while True:
            answer = await loop.sock_recv(sock, LARGEST_BYTES)
            if _answers(answer, sent, name_end):
                return answer


async def _ask_tcp(upstream: Upstream, raw: bytes, name_end: int) -> bytes:
    loop = asyncio.get_running_loop()
    sent = _disguise(raw)
    with _socket(upstream, socket.SOCK_STREAM) as sock:
        await loop.sock_connect(sock, upstream)
        await loop.sock_sendall(sock, struct.pack("!H", len(sent)) + sent)
        received = b""
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
            piece = await loop.sock_recv(sock, LARGEST_BYTES)
            if not piece:
                raise EOFError("the connection was closed")
            received += piece
    answer = received[2:]
    if not _answers(answer, sent, name_end):
        raise EOFError("an answer to something else")
    return answer


class ResolvConf:
    """The nameservers of a resolv.conf(5) file, read again when it changes (another network, a VPN)."""

    def __init__(self, path: str, exclude: Collection[str]) -> None:
        self._path = path
        self._exclude = exclude
        self._changed = -1
        self._looked = float("-inf")
        self._servers: list[Upstream] = []

    def __call__(self) -> list[Upstream]:
        """The upstreams now; those in `exclude`, which are ourselves, are left out."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        return list(self._servers)

    def _look(self) -> None:
        try:
            changed = os.stat(self._path).st_mtime_ns
            if changed != self._changed:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = nameservers(file.read(), self._exclude)
                self._changed = changed
        except OSError:
            pass  # being replaced just now: the servers known so far are as good as any


def nameservers(text: str, exclude: Collection[str]) -> list[Upstream]:
    """The `nameserver` lines of a resolv.conf(5), without the addresses to exclude."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in exclude:
            found.append((words[1].partition("%")[0], 53))
    return found
