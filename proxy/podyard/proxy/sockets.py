"""Sockets: how they are bound, and what is done to those of which only the descriptor is kept.

A connection keeps plain descriptors: a socket object for each would cost memory, and time at every
accept.
"""

from __future__ import annotations

import _socket
import socket
import struct
from array import array
from collections.abc import Callable

from podyard.proxy.table import Frontend

SO_ATTACH_REUSEPORT_CBPF = 51  # linux/socket.h; Python has no name for these two
SO_DETACH_REUSEPORT_BPF = 68
_FIRST_SOCKET = bytes.fromhex("0600000000000000")  # struct sock_filter: BPF_RET | BPF_K, 0
_RESET = struct.pack("ii", 1, 0)  # struct linger: on, 0 s: close() sends a reset

Raw = _socket.socket
"""What socket.socket adds to it is not needed here, and slow to make."""

STREAM = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
DATAGRAM = int(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
IPV4, IPV6 = int(socket.AF_INET), int(socket.AF_INET6)


def family_of(address: str) -> int:
    """AF_INET or AF_INET6."""
    return IPV6 if ":" in address else IPV4


NewSocket = Callable[[str, int, int], socket.socket]
"""Makes a socket that can be bound to an address, of a family and a type."""


def socket_here(_address: str, family: int, kind: int) -> socket.socket:
    """The usual way: the address is this host's."""
    return socket.socket(family, kind)


def bind(frontend: Frontend, new_socket: NewSocket = socket_here) -> socket.socket:
    """A non-blocking socket bound to the frontend's address, for sharing. Raises OSError."""
    kind = STREAM if frontend.protocol == "TCP" else DATAGRAM
    sock = new_socket(frontend.address, family_of(frontend.address), kind)
    try:
        if frontend.protocol == "TCP":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((frontend.address, frontend.port))
    except OSError:
        sock.close()
        raise
    return sock


def share(sock: socket.socket, sticky: bool) -> None:
    """How the kernel chooses between the sockets that share this address.

    With session affinity one of them takes all, so that it alone remembers who belongs where;
    when it ends the kernel moves on to the next. Otherwise they are spread by the client's
    address and port. The setting belongs to the whole group of sockets.
    """
    if not sticky:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)
        except OSError:
            pass  # there was none
        return
    code = array("B", _FIRST_SOCKET)
    program = array("Q", [1, code.buffer_info()[0]])  # struct sock_fprog {unsigned short, pointer}
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program.tobytes())
    except OSError:
        pass  # a kernel without it: the proxies still mostly agree (see Balancer)


def no_delay(descriptor: int) -> None:
    """Have small pieces sent at once, even while those before have not been acknowledged."""
    sock = Raw(IPV4, STREAM, 0, descriptor)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        pass  # the peer has gone
    finally:
        sock.detach()


def shut_writing(descriptor: int) -> None:
    """Tell the peer that no more comes."""
    sock = Raw(IPV4, STREAM, 0, descriptor)
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the peer has gone already (ENOTCONN); the other direction notices by itself
    finally:
        sock.detach()


def reset_at_close(descriptor: int) -> None:
    """Have close() tell the peer that the connection broke."""
    sock = Raw(IPV4, STREAM, 0, descriptor)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        pass  # the peer has gone
    finally:
        sock.detach()
