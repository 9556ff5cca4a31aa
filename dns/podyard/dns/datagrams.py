"""Many datagrams with one system call: recvmmsg(2) and sendmmsg(2), by ctypes.

Every datagram has a slot of a memory that the kernel fills and reads: its bytes, its length and its
client's address. What is written over the bytes of a slot goes back to the client that it came from.
"""

from __future__ import annotations

import array
import ctypes
import errno
import mmap
import socket
import struct
from collections.abc import Sequence

SLOTS = 64
SLOT_BYTES = 4160
"""Longer queries are cut off. A multiple of 64 but not of 4096, lest all slots share the same cache lines."""
NAME_BYTES = 32
"""A sockaddr_in6 takes 28."""
MSG_WAITFORONE = 0x10000
"""Wait for the first, and take what else is there (linux/socket.h)."""


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


# The one lets other Python threads run meanwhile, the other, for calls that do not wait, does not.
_waiting = ctypes.CDLL(None).recvmmsg
_libc = ctypes.PyDLL(None, use_errno=True)
_WORD = "L"  # of a size_t, in an array
_WORDS = ctypes.sizeof(_IoVec) // ctypes.sizeof(ctypes.c_size_t)


class Datagrams:
    """Up to SLOTS datagrams of a UDP socket."""

    def __init__(self, sock: socket.socket, peers: Sequence[tuple[str, int]] = ()) -> None:
        """`peers`: the IPv4 addresses that `send` sends to, until `receive` brings others."""
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
        into, received = _messages(base, names)
        out, sent = _messages(base, names)
        words = ctypes.sizeof(_Message) // 4
        self._lengths = memoryview(into).cast("B").cast("I")[_Message.length.offset // 4 :: words]
        self._sent = sent
        self._keep = (into, received, out)  # the kernel is given their addresses
        # Converted once: ctypes would do so in every call.
        self._socket = ctypes.c_int(sock.fileno())
        self._into = ctypes.c_void_p(ctypes.addressof(into))
        self._out = [ctypes.c_void_p(ctypes.addressof(out[slot])) for slot in range(SLOTS)]
        self._numbers = [ctypes.c_uint(number) for number in range(SLOTS + 1)]
        self._wait = ctypes.c_int(MSG_WAITFORONE)
        self._dont_wait = ctypes.c_int(socket.MSG_DONTWAIT)
        self._no_timeout = ctypes.c_void_p(None)

    def receive(self, *, wait: bool = False) -> list[int]:
        """Fill the slots with what the socket holds; the length of each datagram, [] when it holds none.

        `wait`: for one at least, if the socket is a blocking one.
        """
        receive, flags = (_waiting, self._wait) if wait else (_libc.recvmmsg, self._dont_wait)
        number = receive(self._socket, self._into, self._numbers[SLOTS], flags, self._no_timeout)
        return self._lengths[:number].tolist() if number > 0 else []

    def resize(self, sizes: Sequence[int]) -> None:
        """Say how many bytes of each slot, from the first one on, there are to be sent."""
        self._sent[1 : len(sizes) * _WORDS : _WORDS] = array.array(_WORD, sizes)

    def send(self, begin: int, end: int) -> None:
        """Send what is in the slots from `begin` to `end` back to their clients.

        One that cannot be sent (a port 0, a full buffer) is left out: datagrams may get lost.
        """
        while begin < end:
            number = self._numbers[end - begin]
            sent = _libc.sendmmsg(self._socket, self._out[begin], number, self._dont_wait)
            if sent < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            begin += max(sent, 1)

    def send_first(self, size: int) -> None:
        """Send so many bytes of the first slot back to its client, with less work than `resize` is."""
        self._sent[1] = size
        self.send(0, 1)

    def client(self, slot: int) -> tuple[str, int]:
        """Where the datagram in `slot` came from, as `socket.sendto` takes it."""
        name = self._names[slot * NAME_BYTES : (slot + 1) * NAME_BYTES]
        port = int.from_bytes(name[2:4], "big")
        if self._family == socket.AF_INET6:
            return socket.inet_ntop(socket.AF_INET6, name[8:24]), port
        return socket.inet_ntop(socket.AF_INET, name[4:8]), port


def _messages(base: int, names: int) -> tuple[ctypes.Array[_Message], array.array[int]]:
    """Headers for all slots, and the address and size of the one part of each."""
    words = array.array(_WORD, bytes(SLOTS * ctypes.sizeof(_IoVec)))
    parts = (_IoVec * SLOTS).from_buffer(words)
    messages = (_Message * SLOTS)()
    for slot in range(SLOTS):
        parts[slot] = _IoVec(base + slot * SLOT_BYTES, SLOT_BYTES)
        part = ctypes.addressof(parts) + slot * ctypes.sizeof(_IoVec)
        messages[slot].header = _Header(names + slot * NAME_BYTES, NAME_BYTES, part, 1)
    return messages, words
