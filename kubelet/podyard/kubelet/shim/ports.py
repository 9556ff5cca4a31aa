"""Whether a container serves yet, and a free private port for one that must be given one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from podyard.kubelet.shim.loop import Loop, Timer

FIRST_DELAY_SECONDS = 0.005  # a look takes 50 µs
SLOWEST_DELAY_SECONDS = 0.5
EAGER_LOOKS = 200
ANSWER_SECONDS = 0.02


def free_port(address: str) -> int:
    """A port nobody has on `address`, for TCP and UDP, at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((address, 0))
            port: int = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind((address, port))
                except OSError:
                    continue
                return port


def accepts(address: str, port: int) -> bool:
    """Whether a TCP connection is accepted. On loopback the answer comes within microseconds."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(ANSWER_SECONDS)
            return sock.connect_ex((address, port)) == 0
    except OSError:  # no descriptor is free: it cannot be told now
        return False


class PortWait:
    """Calls `ready` once all of `ports` accept. Looks every 5 ms for a second, then ever less often."""

    def __init__(self, loop: Loop, address: str, ports: Sequence[int], ready: Callable[[], None]) -> None:
        self._loop = loop
        self._address = address
        self._ports = list(ports)
        self._ready = ready
        self._delay = FIRST_DELAY_SECONDS
        self._looks = 0
        self._timer: Timer | None = loop.call_later(0 if not ports else self._delay, self._look)

    def cancel(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        while self._ports and accepts(self._address, self._ports[0]):
            self._ports.pop(0)
        if not self._ports:
            self._timer = None
            self._ready()
            return
        self._looks += 1
        if self._looks > EAGER_LOOKS:
            self._delay = min(self._delay * 1.2, SLOWEST_DELAY_SECONDS)
        self._timer = self._loop.call_later(self._delay, self._look)
