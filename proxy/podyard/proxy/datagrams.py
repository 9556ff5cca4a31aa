"""Many datagrams with one system call each way: recvmmsg(2) and sendmmsg(2).

All UDP sockets of a process share one memory: between a receive and the sends after it nothing else runs.
A slot takes the largest datagram there is, so none is cut off; of the memory only what has been used exists.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import socket

from podyard.process.mmsg import Parts, address_of, lengths, libc, messages

SLOTS = 64
SLOT_BYTES = 65600
"""Not a multiple of 4096, lest all slots share the same cache lines."""
NAME_BYTES = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Of a struct sockaddr_in, or sockaddr_in6."""
NAME_STEP = 32

_DONT_WAIT = ctypes.c_int(socket.MSG_DONTWAIT)
_NULL = ctypes.c_void_p(None)
_NUMBERS = [ctypes.c_uint(number) for number in range(SLOTS + 1)]

Number = ctypes.c_int
"""A descriptor, converted once: ctypes would do so in every call."""


class Datagrams:
    """Up to SLOTS datagrams on their way from one socket to another."""

    def __init__(self) -> None:
        self.bytes = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        """Of all slots."""
        self._name = mmap.mmap(-1, NAME_STEP)  # whom `answer` sends to
        base, name = address_of(self.bytes), address_of(self._name)
        into, self._sizes = (Parts(base, SLOTS, SLOT_BYTES) for _ in range(2))
        self._named = {family: _Named(into, size) for family, size in NAME_BYTES.items()}
        plain = messages(into, SLOTS)
        to_peer = messages(self._sizes, SLOTS)
        to_name = messages(self._sizes, SLOTS, names=name, name_bytes=max(NAME_BYTES.values()))
        self._keep = (into, plain, to_peer, to_name)  # the kernel is given their addresses
        self._plain, self._plain_lengths = ctypes.c_void_p(ctypes.addressof(plain)), lengths(plain)
        self._to_peer, self._to_name = (
            [ctypes.c_void_p(ctypes.addressof(one[slot])) for slot in range(SLOTS)]
            for one in (to_peer, to_name)
        )

    def receive_named(self, sock: Number, family: socket.AddressFamily) -> tuple[list[int], list[bytes]]:
        """Take what an unconnected socket holds: the datagrams' lengths, and whom they are from.

        The latter as struct sockaddr, which `answer` takes.
        """
        into = self._named[family]
        number = libc.recvmmsg(sock, into.headers, _NUMBERS[SLOTS], _DONT_WAIT, _NULL)
        if number <= 0:
            return [], []
        return self._ready(into.lengths[:number].tolist()), into.names(number)

    def receive(self, sock: Number) -> list[int]:
        """Take what a connected socket holds: the datagrams' lengths. Raises OSError, as recv(2) does."""
        number = libc.recvmmsg(sock, self._plain, _NUMBERS[SLOTS], _DONT_WAIT, _NULL)
        if number < 0:
            error = ctypes.get_errno()
            raise OSError(error, "recvmmsg")
        return self._ready(self._plain_lengths[:number].tolist())

    def send(self, sock: Number, begin: int, end: int) -> int:
        """Send the slots from `begin` to `end` to the socket's peer; the first that has not gone, or `end`.

        Raises OSError, as send(2) does, when none has. When some have the kernel drops the error that stopped
        it, so that the socket has none any more.
        """
        sent: int = libc.sendmmsg(sock, self._to_peer[begin], _NUMBERS[end - begin], _DONT_WAIT)
        if sent < 0:
            error = ctypes.get_errno()
            raise OSError(error, "sendmmsg")
        return begin + sent

    def answer(self, sock: Number, name: bytes, count: int) -> None:
        """Send the first `count` slots to `name`. What cannot be sent is lost, as on any network."""
        self._name[: len(name)] = name
        begin = 0
        while begin < count:
            sent = libc.sendmmsg(sock, self._to_name[begin], _NUMBERS[count - begin], _DONT_WAIT)
            begin += max(sent, 1)

    def _ready(self, sizes: list[int]) -> list[int]:
        self._sizes.resize(sizes)
        return sizes


class _Named:
    """What a socket of one family receives with: the kernel notes in it how long its names are."""

    def __init__(self, into: Parts, name_bytes: int) -> None:
        self._size = name_bytes
        self._memory = mmap.mmap(-1, SLOTS * NAME_STEP)
        base = address_of(self._memory)
        self._messages = messages(into, SLOTS, names=base, name_bytes=name_bytes, step=NAME_STEP)
        self.headers = ctypes.c_void_p(ctypes.addressof(self._messages))
        self.lengths = lengths(self._messages)

    def names(self, number: int) -> list[bytes]:
        """Of the first so many."""
        memory, size = self._memory, self._size
        return [memory[start : start + size] for start in range(0, number * NAME_STEP, NAME_STEP)]


@functools.cache
def shared() -> Datagrams:
    """The one of this process."""
    return Datagrams()
