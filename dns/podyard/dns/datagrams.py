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

from podyard.process.mmsg import Parts, address_of, lengths, libc, messages, socket_address

SLOTS = 64
SLOT_BYTES = 4160
"""Longer queries are cut off. A multiple of 64 but not of 4096, lest all slots share the same cache lines."""
NAME_BYTES = 32
"""A sockaddr_in6 takes 28."""
MSG_WAITFORONE = 0x10000
"""Wait for the first, and take what else is there (linux/socket.h)."""

_waiting = ctypes.CDLL(None).recvmmsg
"""Lets other Python threads run meanwhile."""


class Datagrams:
    """Up to SLOTS datagrams of a UDP socket."""

    def __init__(self, sock: socket.socket, peers: Sequence[tuple[str, int]] = ()) -> None:
        """`peers`: the IPv4 addresses that `send` sends to, until `receive` brings others."""
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
        base, names = address_of(self.bytes), address_of(self._names)
        received, self._sent = (Parts(base, SLOTS, SLOT_BYTES) for _ in range(2))
        into, out = (
            messages(parts, SLOTS, names=names, name_bytes=NAME_BYTES, step=NAME_BYTES)
            for parts in (received, self._sent)
        )
        self.resize = self._sent.resize
        """Says how many bytes of each slot, from the first one on, there are to be sent."""
        self._lengths = lengths(into)
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
        receive, flags = (_waiting, self._wait) if wait else (libc.recvmmsg, self._dont_wait)
        number = receive(self._socket, self._into, self._numbers[SLOTS], flags, self._no_timeout)
        return self._lengths[:number].tolist() if number > 0 else []

    def send(self, begin: int, end: int) -> None:
        """Send what is in the slots from `begin` to `end` back to their clients.

        One that cannot be sent (a port 0, a full buffer) is left out: datagrams may get lost.
        """
        while begin < end:
            number = self._numbers[end - begin]
            sent = libc.sendmmsg(self._socket, self._out[begin], number, self._dont_wait)
            if sent < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            begin += max(sent, 1)

    def send_first(self, size: int) -> None:
        """Send so many bytes of the first slot back to its client, with less work than `resize` is."""
        self._sent.resize_first(size)
        self.send(0, 1)

    def client(self, slot: int) -> tuple[str, int]:
        """Where the datagram in `slot` came from, as `socket.sendto` takes it."""
        return socket_address(self._names[slot * NAME_BYTES : (slot + 1) * NAME_BYTES])
