"""Links, addresses and routes of a network namespace, over rtnetlink(7), by pyroute2.

All of it blocks for some 100 µs a call, and pyroute2 runs an event loop of its own: within another one
it is called in a thread. Not imported by those who need none of it: pyroute2 takes 0.3 s and 20 MB.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from podyard.process.namespaces import in_network

PROTOCOL = 0x70
"""The routes' protocol (rtnetlink(7) RTPROT_*), by which they are known as podyard's."""

HERE = "/proc/thread-self/ns/net"


@contextmanager
def netlink(namespace: int | str = HERE) -> Iterator[Any]:
    """An IPRoute of a network namespace: an open /proc/PID/ns/net, or its path.

    Raises OSError, also for what the kernel refuses inside of the `with`.
    """

    def open_socket() -> socket.socket:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)

    opened = open_socket() if namespace == HERE else in_network(namespace, open_socket)
    with IPRoute(fileno=opened.detach()) as ip:
        try:
            yield ip
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error


def index(ip: Any, name: str) -> int:
    """A link's index, 0 when there is none of that name."""
    found = ip.link_lookup(ifname=name)
    return int(found[0]) if found else 0


def up(ip: Any, name: str) -> int:
    """Bring a link up, and give its index. Raises OSError when there is none."""
    link = index(ip, name)
    if not link:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)
    ip.link("set", index=link, state="up")
    return link


def delete(ip: Any, name: str) -> None:
    """Delete a link if it is there. Of a veth pair both ends go."""
    if link := index(ip, name):
        try:
            ip.link("del", index=link)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise


def mtu(ip: Any, link: int) -> int:
    """The largest packet that a link takes, in bytes."""
    return int(ip.link("get", index=link)[0].get("mtu"))


def addresses(ip: Any) -> list[tuple[int, IPv4Interface]]:
    """The IPv4 addresses of all links, with the links' indices."""
    return [
        (int(a["index"]), IPv4Interface(f"{a.get('local') or a.get('address')}/{a['prefixlen']}"))
        for a in ip.addr("dump", family=socket.AF_INET)
    ]


def has_default_route(ip: Any) -> bool:
    """Whether what is elsewhere goes anywhere."""
    return any(not route["dst_len"] for route in ip.route("dump", family=socket.AF_INET, table=254))
