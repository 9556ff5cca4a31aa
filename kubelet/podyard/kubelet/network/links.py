"""The links of a node's pod network: bridge, veth pairs, VXLAN, routes. Everything here blocks.

    pod's namespace                node's namespace
    eth0 10.244.1.5/24 ──veth──► podyard0 10.244.1.1/24 (bridge) ──► routes by node, podyard.1 (VXLAN)

All of it is level-triggered: each function makes what is missing and leaves what is right.
"""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from podyard.kubelet.network.plan import Routes, gateway, mac, tunnel_end, tunnel_mac
from podyard.process.netlink import (
    HERE,
    PROTOCOL,
    addresses,
    delete,
    has_default_route,
    index,
    mtu,
    netlink,
    up,
)

BRIDGE = "podyard0"
TUNNEL = "podyard.1"
POD_LINK = "eth0"
TUNNEL_PORT = 4789  # IANA's for VXLAN
TUNNEL_ID = 24401
TUNNEL_OVERHEAD = 50  # outer Ethernet, IP, UDP and VXLAN headers (RFC 7348)
DEFAULT_MTU = 1500
_FIXED = 0xC0  # NUD_PERMANENT | NUD_NOARP
_OF_THE_LINK = 0x02  # NTF_SELF


def make_bridge(cidr: IPv4Network, node_ip: str) -> None:
    """The node's bridge, with its address. Raises OSError, FileExistsError when it is another node's."""
    with netlink() as ip:
        link = index(ip, BRIDGE)
        if not link:
            ip.link("add", ifname=BRIDGE, kind="bridge", address=mac(gateway(cidr)))
            link = index(ip, BRIDGE)
        ip.link("set", index=link, mtu=_uplink_mtu(ip, node_ip), state="up")
        wanted = (str(gateway(cidr)), cidr.prefixlen)
        for where, address in addresses(ip):
            if where == link and (str(address.ip), address.network.prefixlen) != wanted:
                if ip.link("dump", master=link):
                    raise FileExistsError(
                        errno.EEXIST, f"{BRIDGE} has another node's pods, of {address.network}"
                    )
                ip.addr("del", index=link, address=str(address.ip), prefixlen=address.network.prefixlen)
        ip.addr("replace", index=link, address=wanted[0], prefixlen=wanted[1])


def connect_pod(pod_uid: str, namespace: str, address: IPv4Address, cidr: IPv4Network) -> None:
    """A pod's eth0, default route and lo, in `namespace` (/proc/PID/ns/net). Raises OSError."""
    ours = pod_link_name(pod_uid)
    with netlink() as ip, netlink(namespace) as inside:
        bridge = index(ip, BRIDGE)
        if not index(ip, ours) or not index(inside, POD_LINK):
            delete(ip, ours)
            _make_pair(ip, ours, namespace, mtu(ip, bridge), mac(address))
        ip.link("set", index=index(ip, ours), master=bridge, state="up")
        up(inside, "lo")
        eth0 = up(inside, POD_LINK)
        inside.addr("replace", index=eth0, address=str(address), prefixlen=cidr.prefixlen)
        inside.route("replace", dst="default", gateway=str(gateway(cidr)), oif=eth0)


def _make_pair(ip: Any, ours: str, namespace: str, size: int, address: str) -> None:
    with open(namespace, "rb") as there:
        peer = {"ifname": POD_LINK, "net_ns_fd": there.fileno(), "mtu": size, "address": address}
        ip.link("add", ifname=ours, kind="veth", mtu=size, peer=peer)


def pod_link_name(pod_uid: str) -> str:
    """The node's end of a pod's veth pair, within the 15 characters that a link's name may have."""
    return f"veth{hashlib.sha256(pod_uid.encode()).hexdigest()[:10]}"


def set_routes(routes: Routes, cidr: IPv4Network, node_ip: str) -> None:
    """Exactly these routes, and the tunnel if one needs it. Raises OSError."""
    with netlink() as ip:
        wanted: dict[IPv4Network, dict[str, Any]] = {}
        for there, node in routes.direct.items():
            wanted[there] = {"gateway": str(node)}
        if routes.overlay:
            tunnel = _make_tunnel(ip, cidr, node_ip)
            _set_tunnel_ends(ip, tunnel, routes.overlay)
            for there in routes.overlay:
                # Our pod range is the source: the way back is then over the tunnel, too.
                wanted[there] = {
                    "gateway": str(tunnel_end(there)),
                    "oif": tunnel,
                    "flags": ["onlink"],
                    "prefsrc": str(gateway(cidr)),
                }
        else:
            delete(ip, TUNNEL)
        for there, hop in wanted.items():
            ip.route("replace", dst=str(there), proto=PROTOCOL, **hop)
        for route in ip.route("dump", family=socket.AF_INET, table=254):
            if route["proto"] == PROTOCOL and _destination(route) not in wanted:
                ip.route("del", dst=str(_destination(route)), proto=PROTOCOL)


def _destination(route: Any) -> IPv4Network:
    return IPv4Network(f"{route.get('dst') or '0.0.0.0'}/{route['dst_len']}")


def _make_tunnel(ip: Any, cidr: IPv4Network, node_ip: str) -> int:
    tunnel = index(ip, TUNNEL)
    if not tunnel:
        ip.link(
            "add",
            ifname=TUNNEL,
            kind="vxlan",
            address=tunnel_mac(cidr),
            vxlan_id=TUNNEL_ID,
            vxlan_local=node_ip,
            vxlan_port=TUNNEL_PORT,
            vxlan_learning=0,
        )
        tunnel = index(ip, TUNNEL)
    ip.link("set", index=tunnel, mtu=_uplink_mtu(ip, node_ip) - TUNNEL_OVERHEAD, state="up")
    ip.addr("replace", index=tunnel, address=str(tunnel_end(cidr)), prefixlen=32)
    return tunnel


def _set_tunnel_ends(ip: Any, tunnel: int, overlay: Mapping[IPv4Network, IPv4Address]) -> None:
    """Which link address each next hop has, and behind which node that is."""
    macs = {tunnel_mac(there): str(node) for there, node in overlay.items()}
    hops = {str(tunnel_end(there)): tunnel_mac(there) for there in overlay}
    for entry in ip.neigh("dump", family=socket.AF_INET, ifindex=tunnel):
        if entry.get("dst") not in hops:
            ip.neigh("del", dst=entry.get("dst"), ifindex=tunnel)
    for entry in ip.fdb("dump", ifindex=tunnel):
        if entry["ifindex"] == tunnel and macs.get(entry.get("lladdr")) != entry.get("dst"):
            ip.fdb("del", lladdr=entry.get("lladdr"), dst=entry.get("dst"), ifindex=tunnel)
    for hop, address in hops.items():
        ip.neigh("replace", dst=hop, lladdr=address, ifindex=tunnel, state="permanent")
    for address, node in macs.items():
        ip.fdb("replace", lladdr=address, dst=node, ifindex=tunnel, state=_FIXED, flags=_OF_THE_LINK)


def own_addresses() -> tuple[list[Any], bool]:
    """This host's addresses with their networks, but not those of pods; whether it has a default route."""
    with netlink() as ip:
        ours = {index(ip, name) for name in (BRIDGE, TUNNEL)}
        found = [a for link, a in addresses(ip) if link not in ours and not a.ip.is_loopback]
        return found, has_default_route(ip)


def remove_all() -> None:
    """Take down what is above; the pods' ends go with their namespaces. Raises OSError."""
    with netlink(HERE) as ip:
        for name in (TUNNEL, BRIDGE):
            delete(ip, name)
        for route in ip.route("dump", family=socket.AF_INET, table=254):
            if route["proto"] == PROTOCOL:
                ip.route("del", dst=str(_destination(route)), proto=PROTOCOL)


def _uplink_mtu(ip: Any, node_ip: str) -> int:
    """Of the link that has the node's address."""
    for link, address in addresses(ip):
        if str(address.ip) == node_ip:
            size = mtu(ip, link)
            return size if size < 65536 else DEFAULT_MTU  # lo's says nothing
    return DEFAULT_MTU
