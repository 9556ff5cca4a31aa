"""Many datagrams with one system call: what recvmmsg(2) and sendmmsg(2) are given, by ctypes."""

from __future__ import annotations

import array
import ctypes
import mmap
import socket
import sys


class IoVec(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("parts_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", Header), ("length", ctypes.c_uint32))


libc = ctypes.PyDLL(None, use_errno=True)
"""For calls that do not wait: other Python threads wait meanwhile."""

_WORD = "L"  # of a size_t, in an array
_WORDS = ctypes.sizeof(IoVec) // ctypes.sizeof(ctypes.c_size_t)


class Parts:
    """The one part of each of `slots` datagrams: `slot_bytes` of the memory that begins at `base`."""

    def __init__(self, base: int, slots: int, slot_bytes: int) -> None:
        self._words = array.array(_WORD, bytes(slots * ctypes.sizeof(IoVec)))
        self._vectors = (IoVec * slots).from_buffer(self._words)
        for slot in range(slots):
            self._vectors[slot] = IoVec(base + slot * slot_bytes, slot_bytes)

    def address(self, slot: int) -> int:
        """Where the slot's struct iovec is."""
        return ctypes.addressof(self._vectors) + slot * ctypes.sizeof(IoVec)

    def resize(self, sizes: list[int]) -> None:
        """Say how many bytes the slots have, from the first one on."""
        self._words[1 : len(sizes) * _WORDS : _WORDS] = array.array(_WORD, sizes)

    def resize_first(self, size: int) -> None:
        """The same for the first one alone, with less work."""
        self._words[1] = size


def messages(
    parts: Parts, slots: int, *, names: int = 0, name_bytes: int = 0, step: int = 0
) -> ctypes.Array[Message]:
    """Headers of `slots` datagrams; the socket address of each is `name_bytes` at `names`, `step` apart."""
    made = (Message * slots)()
    for slot in range(slots):
        name = names + slot * step if names else None
        made[slot].header = Header(name, name_bytes, parts.address(slot), 1)
    return made


def lengths(of: ctypes.Array[Message]) -> memoryview:
    """How long each datagram is that was received; follows what the kernel writes."""
    words = ctypes.sizeof(Message) // 4
    return memoryview(of).cast("B").cast("I")[Message.length.offset // 4 :: words]


def address_of(memory: mmap.mmap) -> int:
    """Where it is, for the kernel."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def socket_address(name: bytes) -> tuple[str, int]:
    """The address and port in a struct sockaddr_in or sockaddr_in6."""
    family = int.from_bytes(name[:2], sys.byteorder)
    packed = name[8:24] if family == socket.AF_INET6 else name[4:8]
    return socket.inet_ntop(family, packed), int.from_bytes(name[2:4], "big")
