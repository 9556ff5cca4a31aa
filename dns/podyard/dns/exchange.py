"""One question to one upstream server, and its answer."""

from __future__ import annotations

import asyncio
import random
import socket
import struct

from podyard.dns.wire import HEADER_BYTES, LARGEST_BYTES, QR

Upstream = tuple[str, int]
"""Address and port."""

_random = random.SystemRandom()


def _sent(question: bytes) -> bytes:
    """The query under an id that nobody can guess."""
    return _random.randbytes(2) + question


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


async def ask_udp(upstream: Upstream, question: bytes, name_end: int) -> bytes:
    """Ask by one datagram from a port of its own; the first datagram back that answers it.

    `question` is a query without its id, whose name ends at `name_end` of the whole. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    sent = _sent(question)
    with _socket(upstream, socket.SOCK_DGRAM) as sock:
        sock.connect(upstream)
        sock.send(sent)
        while True:
            answer = await loop.sock_recv(sock, LARGEST_BYTES)
            if _answers(answer, sent, name_end):
                return answer


async def ask_tcp(upstream: Upstream, question: bytes, name_end: int) -> bytes:
    """The same over TCP. Raises OSError, and EOFError when there is no whole answer."""
    loop = asyncio.get_running_loop()
    sent = _sent(question)
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
