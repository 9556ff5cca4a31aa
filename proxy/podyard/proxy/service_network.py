"""Where Service addresses answer on a node whose pods have networks of their own.

    node's namespace                                   the proxy's own namespace
    10.96.0.0/16 via 169.254.96.2 ──► podyard-svc ══► eth0 169.254.96.2, local 10.96.0.0/16

The whole range is local there (`ip route add local`, which Linux calls AnyIP), so that no Service needs
an address of its own. It is a namespace apart because a socket on 0.0.0.0:80 of the node would take
port 80 of every Service otherwise. It lasts as long as the proxy, and its link and routes with it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_address

from podyard.process.namespaces import in_network, new_network
from podyard.process.netlink import delete, netlink, up

LINK = "podyard-svc"
NODE_END, SERVICE_END, PREFIX = "169.254.96.1", "169.254.96.2", 30
LOCAL_TABLE = 255


class ServiceNetwork:
    """Makes sockets for addresses of `ranges` in a namespace of its own, all others in the node's."""

    def __init__(self, ranges: Iterable[IPv4Network], node_ip: str) -> None:
        """Blocks, and not in an event loop's thread. Raises OSError when the kernel refuses."""
        self._ranges = list(ranges)
        self._namespace = new_network()
        try:
            self._connect(node_ip)
        except OSError:
            os.close(self._namespace)
            raise

    def socket(self, address: str, family: int, kind: int) -> socket.socket:
        """A socket that can be bound to `address`. Raises OSError."""
        if any(ip_address(address) in network for network in self._ranges):
            return in_network(self._namespace, lambda: socket.socket(family, kind))
        return socket.socket(family, kind)

    def close(self) -> None:
        """Take it down; sockets that are open keep it until they are closed."""
        os.close(self._namespace)

    def _connect(self, node_ip: str) -> None:
        with netlink() as node, netlink(self._namespace) as inside:
            delete(node, LINK)  # of a proxy that has just ended
            node.link("add", ifname=LINK, kind="veth", peer={"ifname": "eth0", "net_ns_fd": self._namespace})
            here, there, loopback = up(node, LINK), up(inside, "eth0"), up(inside, "lo")
            node.addr("add", index=here, address=NODE_END, prefixlen=PREFIX)
            inside.addr("add", index=there, address=SERVICE_END, prefixlen=PREFIX)
            inside.route("add", dst="default", gateway=NODE_END, oif=there)
            for network in self._ranges:
                local = {"type": "local", "scope": "host", "table": LOCAL_TABLE}
                inside.route("add", dst=str(network), oif=loopback, **local)
                node.route("replace", dst=str(network), gateway=SERVICE_END, oif=here, prefsrc=node_ip)
