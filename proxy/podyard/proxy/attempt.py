"""One connect to an endpoint, with what the client has sent already right behind it.

On one machine the connect is done when the call returns. What the client has sent then goes out at once, with
the handshake's last segment: the backend's process wakes up once, for a request, and not for the
connection and again for the request.
"""

from __future__ import annotations

import errno
import socket
from os import write

from podyard.proxy.sockets import STREAM, Raw, family_of
from podyard.proxy.table import Endpoint

KEEPALIVE_SECONDS = 240
"""After so long a silence the kernel asks a backend on another host whether it is there.

With its 9 probes, 75 s apart, a host that is gone is noticed after a quarter of an hour, as it is with data
under way (tcp(7), tcp_retries2).
"""

_SOCKET, _KEEPALIVE = int(socket.SOL_SOCKET), int(socket.SO_KEEPALIVE)
_TCP, _KEEPIDLE, _QUICKACK = int(socket.IPPROTO_TCP), int(socket.TCP_KEEPIDLE), int(socket.TCP_QUICKACK)


def begin(endpoint: Endpoint, early: bytes) -> Raw | None:
    """Begin to connect to `endpoint`; `early` is what is to be sent. None when that has failed already."""
    address = endpoint[0]
    try:
        backend = Raw(family_of(address), STREAM)
    except OSError:
        return None
    try:
        if not address.startswith("127."):  # this host is there as long as we are
            backend.setsockopt(_SOCKET, _KEEPALIVE, 1)
            backend.setsockopt(_TCP, _KEEPIDLE, KEEPALIVE_SECONDS)
        if early:
            backend.setsockopt(_TCP, _QUICKACK, 0)  # acknowledge the handshake with the data (tcp(7))
        if backend.connect_ex(endpoint) in (0, errno.EINPROGRESS):
            return backend
    except OSError:
        pass  # the address is none
    backend.close()
    return None


def proceed(backend: Raw, early: bytes) -> tuple[int, int]:
    """Send `early` to who is perhaps connected.

    How much was sent, and 0 when it is connected, EINPROGRESS when it is not yet, else why it failed.
    """
    if not early:
        return 0, _state(backend)
    try:
        return write(backend.fileno(), early), 0
    except BlockingIOError:
        return 0, errno.EINPROGRESS
    except (BrokenPipeError, ConnectionResetError):
        return 0, 0  # it was connected; the relay is told so once more
    except OSError as error:
        return 0, error.errno or errno.EIO


def is_connected(sock: Raw) -> bool:
    """Whether the connect that was begun is done."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _state(sock: Raw) -> int:
    """The same as `proceed` gives, for a socket without anything to send."""
    if is_connected(sock):
        return 0
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.EINPROGRESS
