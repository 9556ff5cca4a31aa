"""Many datagrams with one system call: recvmmsg(2) and sendmmsg(2), by ctypes.

Every datagram has a slot of a memory that the kernel fills and reads: its bytes, its length and its
client's address. What is written over the bytes of a slot goes back to the client that it came from.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import socket
import struct
from collections.abc import Sequence

SLOTS = 64
SLOT_BYTES = 1344
"""Longer queries are cut off. A multiple of 64 but not of 4096, lest all slots share the same cache lines."""
NAME_BYTES = 32
"""A sockaddr_in6 takes 28."""


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):  # struct msghdr
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("parts_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)
_POINTER_BYTES = ctypes.sizeof(ctypes.c_size_t)


class Datagrams:
    """Up to SLOTS datagrams of a non-blocking UDP socket."""

    def __init__(self, sock: socket.socket, peers: Sequence[tuple[str, int]] = ()) -> None:
        """`peers`: the IPv4 addresses that `send` sends to, until `receive` brings others."""
        self._fd = sock.fileno()
        self._family = sock.family
        self.bytes = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        """Of all slots; slicing gives `bytes`, which a bytearray's does not."""
        self.starts = range(0, SLOTS * SLOT_BYTES, SLOT_BYTES)
        """Where each slot begins."""
        self._names = mmap.mmap(-1, SLOTS * NAME_BYTES)
        for slot, (address, port) in enumerate(peers):
            struct.pack_into(
                "=H2s4s",
                self._names,
                slot * NAME_BYTES,
                sock.family,
                port.to_bytes(2),
                socket.inet_aton(address),
            )
        base, names = (ctypes.addressof(ctypes.c_char.from_buffer(one)) for one in (self.bytes, self._names))
        self._into, received = _messages(base, names, SLOT_BYTES)
        self._from, sent = _messages(base, names, 0)
        words = ctypes.sizeof(_Message) // 4
        self._received = memoryview(self._into).cast("B").cast("I")[_Message.length.offset // 4 :: words]
        step = ctypes.sizeof(_IoVec) // _POINTER_BYTES
        self.sizes = (
            memoryview(sent)
            .cast("B")
            .cast("Q" if _POINTER_BYTES == 8 else "I")[_IoVec.length.offset // _POINTER_BYTES :: step]
        )
        """How many bytes of each slot `send` sends; a plain sequence of ints to be written to."""
        self._keep = (received, sent)  # the messages point to them
        # Converted once: ctypes would do so in every call.
        self._fd_arg = ctypes.c_int(self._fd)
        self._slots_arg = ctypes.c_uint(SLOTS)
        self._dont_wait = ctypes.c_int(socket.MSG_DONTWAIT)
        self._no_timeout = ctypes.c_void_p(None)
        self._into_arg = ctypes.c_void_p(ctypes.addressof(self._into))

    def receive(self) -> list[int]:
        """Fill the slots with what the socket holds; the length of each datagram, [] when it holds none."""
        number = _libc.recvmmsg(
            self._fd_arg, self._into_arg, self._slots_arg, self._dont_wait, self._no_timeout
        )
        return self._received[:number].tolist() if number > 0 else []

    def send(self, begin: int, end: int) -> None:
        """Send the first `sizes[i]` bytes of the slots from `begin` to `end` back to their clients.

        One that cannot be sent (a port 0, a full buffer) is left out: datagrams may get lost.
        """
        size = ctypes.sizeof(_Message)
        while begin < end:
            where = ctypes.c_void_p(ctypes.addressof(self._from) + begin * size)
            sent = _libc.sendmmsg(self._fd_arg, where, ctypes.c_uint(end - begin), self._dont_wait)
            if sent < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            begin += max(sent, 1)

    def client(self, slot: int) -> tuple[str, int]:
        """Where the datagram in `slot` came from, as `socket.sendto` takes it."""
        name = self._names[slot * NAME_BYTES : (slot + 1) * NAME_BYTES]
        port = int.from_bytes(name[2:4], "big")
        if self._family == socket.AF_INET6:
            return socket.inet_ntop(socket.AF_INET6, name[8:24]), port
        return socket.inet_ntop(socket.AF_INET, name[4:8]), port


def _messages(base: int, names: int, size: int) -> tuple[ctypes.Array[_Message], ctypes.Array[_IoVec]]:
    """Headers for all slots, each with one part of `size` bytes."""
    parts = (_IoVec * SLOTS)()
    messages = (_Message * SLOTS)()
    for slot in range(SLOTS):
        parts[slot] = _IoVec(base + slot * SLOT_BYTES, size)
        part = ctypes.addressof(parts) + slot * ctypes.sizeof(_IoVec)
        messages[slot].header = _Header(names + slot * NAME_BYTES, NAME_BYTES, part, 1)
    return messages, parts
