"""A Python program that listens on all addresses listens on its pod's address instead.

So two pods may both run `python -m http.server 8000`, though they share the host's addresses. A
private port, which the runtime forwards to, is bound on 127.0.0.1. Found by PYTHONPATH. Sockets
that bind port 0, as outgoing ones do, are left alone.
"""

import os
import socket
import sys

_WILDCARDS = ("", "0.0.0.0", "::", "::0")


def _on_address(pod_ip, private_ports):  # type: ignore[no-untyped-def]
    bind, getaddrinfo = socket.socket.bind, socket.getaddrinfo

    def pod_bind(self, address):  # type: ignore[no-untyped-def]
        if (
            self.family in (socket.AF_INET, socket.AF_INET6)
            and isinstance(address, tuple)
            and address[0] in _WILDCARDS
            and address[1]
        ):
            ip = "127.0.0.1" if str(address[1]) in private_ports else pod_ip
            if self.family == socket.AF_INET:
                address = (ip, address[1])
            elif not self.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
                address = (f"::ffff:{ip}", *address[1:])
        return bind(self, address)

    def pod_getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]
        # Who asks where to listen is not told of IPv6, which a pod does not have.
        if family == 0 and flags & socket.AI_PASSIVE and host in (None, "", b""):
            family = socket.AF_INET
        return getaddrinfo(host, port, family, type, proto, flags)

    socket.socket.bind = pod_bind  # type: ignore[method-assign]
    socket.getaddrinfo = pod_getaddrinfo


def _next_sitecustomize():  # type: ignore[no-untyped-def]
    """Run the one of the interpreter's own that this one hides."""
    here, ours = os.path.dirname(os.path.abspath(__file__)), sys.modules.pop("sitecustomize", None)
    path, sys.path[:] = sys.path[:], [entry for entry in sys.path if os.path.abspath(entry) != here]
    try:
        __import__("sitecustomize")
    except ImportError:
        pass
    finally:
        sys.path[:] = path
        if ours is not None:
            sys.modules["sitecustomize"] = ours


if os.environ.get("PODYARD_POD_IP"):
    _on_address(  # type: ignore[no-untyped-call]
        os.environ["PODYARD_POD_IP"], os.environ.get("PODYARD_PRIVATE_PORTS", "").split()
    )
_next_sitecustomize()  # type: ignore[no-untyped-call]
