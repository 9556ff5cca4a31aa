"""The contract of a frontend's listener; tcp.py and udp.py forward, health.py answers by itself.

A listener holds one bound socket and forwards what arrives on it to the endpoints of its rule.
Making one binds at once, or raises OSError. `update` lets new connections follow a changed rule,
without touching established ones, except for UDP flows to an endpoint that is gone: these end.
`close` stops taking new connections; TCP connections that exist go on by themselves, as they do
in Kubernetes, and UDP flows end. `close` may be called once.

Sockets are bound with SO_REUSEPORT, because on a loopback network the proxies of all nodes listen
on the same Service addresses and the kernel spreads the connections between them.
"""

from __future__ import annotations

import socket
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from podyard.process.clock import Clock
from podyard.proxy.counters import ProxyMetrics
from podyard.proxy.descriptors import Descriptors
from podyard.proxy.pipes import PipePool
from podyard.proxy.poller import Poller
from podyard.proxy.table import Frontend, Rule

SO_ATTACH_REUSEPORT_CBPF = 51  # linux/socket.h; Python has no name for these two
SO_DETACH_REUSEPORT_BPF = 68
_FIRST_SOCKET = bytes.fromhex("0600000000000000")  # struct sock_filter: BPF_RET | BPF_K, 0


class Listener(Protocol):
    """See the module."""

    def update(self, rule: Rule) -> None:
        """Follow a changed rule of the same frontend."""

    def close(self) -> None:
        """Stop listening."""


def _socket_here(_address: str, family: int, kind: int) -> socket.socket:
    return socket.socket(family, kind)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all listeners of a proxy share. `new_socket` makes one that can be bound to an address."""

    poller: Poller
    pipes: PipePool
    descriptors: Descriptors
    metrics: ProxyMetrics
    clock: Clock
    new_socket: Callable[[str, int, int], socket.socket] = _socket_here


def bind(frontend: Frontend, runtime: Runtime) -> socket.socket:
    """A non-blocking socket bound to the frontend's address. Raises OSError."""
    family = socket.AF_INET6 if ":" in frontend.address else socket.AF_INET
    kind = socket.SOCK_STREAM if frontend.protocol == "TCP" else socket.SOCK_DGRAM
    sock = runtime.new_socket(frontend.address, family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if frontend.protocol == "TCP":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((frontend.address, frontend.port))
    except OSError:
        sock.close()
        raise
    return sock


def share(sock: socket.socket, sticky: bool) -> None:
    """How the kernel chooses between the proxies that share this address.

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
