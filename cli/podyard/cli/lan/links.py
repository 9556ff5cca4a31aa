"""Makes and removes a cluster's LAN: `python -m podyard.cli.lan.links make|remove DATA_DIR`, on the host.

A failure is one line on standard output and exit status 1; after a success a line says what is lacking.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from podyard.cli.cluster import config
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.lan.names import LAN, host_link
from podyard.cli.rootless import namespace
from podyard.kubelet.network import masquerade
from podyard.process.main import UserError
from podyard.process.netlink import HERE, delete, has_default_route, index, netlink, up

BRIDGE = "lan"
HOST_PORT = "host"
GONE_SECONDS = 10.0
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def make(cluster: ClusterConfig) -> str:
    """Make what is missing, and leave what is right; a note for the user. Raises UserError, OSError."""
    link = host_link(cluster)
    with netlink() as host, netlink(_held(cluster, LAN)) as lan:
        if _is_anothers(host, link, lan):
            raise UserError(_taken(link))
        _refuse_overlaps(_ranges(cluster), host, link)
        closed = _forward_outside(cluster, host)
        if not index(lan, BRIDGE):
            lan.link("add", ifname=BRIDGE, kind="bridge")
        up(lan, BRIDGE)
        _plug(lan, HOST_PORT, host, link, HERE)
        here = _address(host, link, cluster.control_plane_ip)
        for number, node in enumerate(cluster.node_names(), 1):
            _make_node(lan, node, _held(cluster, node), cluster, number, outside=not closed)
        _route(host, here, cluster)
    return f"pods do not reach beyond this host: {closed}" if closed else masquerade.firewall(link)


def _make_node(
    lan: Any, name: str, namespace_path: str, cluster: ClusterConfig, number: int, *, outside: bool
) -> None:
    with netlink(namespace_path) as node:
        _plug(lan, name, node, "eth0", namespace_path)
        eth0 = _address(node, "eth0", cluster.node_ip(number))
        if outside:
            node.route("replace", dst="default", gateway=cluster.control_plane_ip, oif=eth0)
        elif has_default_route(node):
            node.route("del", dst="default")


def _plug(lan: Any, ours: str, other: Any, theirs: str, namespace_path: str) -> None:
    """A veth pair from the bridge, where its end is called `ours`, to another namespace."""
    if not index(lan, ours) or not index(other, theirs):
        delete(lan, ours)
        with open(namespace_path, "rb") as there:
            lan.link("add", ifname=ours, kind="veth", peer={"ifname": theirs, "net_ns_fd": there.fileno()})
    lan.link("set", index=index(lan, ours), master=index(lan, BRIDGE), state="up")


def _address(ip: Any, link: str, address: str) -> int:
    number = up(ip, link)
    ip.addr("replace", index=number, address=address, prefixlen=24)
    return number


def _route(host: Any, link: int, cluster: ClusterConfig) -> None:
    """From the host to the pods of each node; to Services by all nodes, for each proxy serves all."""
    nodes = [cluster.node_ip(number) for number in range(1, cluster.nodes + 1)]
    for number, address in enumerate(nodes, 1):
        host.route("replace", dst=cluster.node_pod_cidr(number), gateway=address, oif=link)
    hops = [{"gateway": address, "oif": link} for address in nodes]
    for cidr in (cluster.service_cidr, cluster.load_balancer_cidr):
        host.route("replace", dst=cidr, multipath=hops)


def _forward_outside(cluster: ClusterConfig, host: Any) -> str:
    """Let pods reach what the host reaches, if the host forwards packets; why it does not.

    That it forwards is for its administrator to decide: it is a setting of the whole host.
    """
    ranges = _ranges(cluster)
    if not has_default_route(host):
        return "it has no default route"
    if FORWARDING.read_text().strip() != "1":
        return "it does not forward packets (`sysctl -w net.ipv4.ip_forward=1`, and `podyard up` again)"
    try:
        masquerade.masquerade(host_link(cluster), ranges[:2], ranges, ())
    except OSError as error:
        return f"its kernel has no nftables ({error.strerror})"
    return ""


def _ranges(cluster: ClusterConfig) -> list[IPv4Network]:
    """Nodes, pods, Services, load balancers."""
    texts = (cluster.node_cidr, cluster.pod_cidr, cluster.service_cidr, cluster.load_balancer_cidr)
    return [IPv4Network(text) for text in texts]


def _is_anothers(host: Any, link: str, lan: Any) -> bool:
    """Whether a link of that name leads elsewhere than to our LAN (None when that is gone).

    The kernel takes down the link of a cluster that was killed a moment after its last process.
    """
    give_up = time.monotonic() + GONE_SECONDS
    while index(host, link) and not (lan and index(lan, HOST_PORT)):
        if time.monotonic() > give_up:
            return True
        time.sleep(0.05)
    return False


def _taken(link: str) -> str:
    return (
        f"another cluster on this host has the link {link}, and with it the addresses of this one; "
        "stop that one, or use another --name"
    )


def _refuse_overlaps(ranges: Iterable[IPv4Network], host: Any, link: str) -> None:
    """Raise UserError when the host uses addresses of the cluster for something else."""
    ours = index(host, link)
    for route in host.route("dump", family=socket.AF_INET, table=254):
        there = IPv4Network(f"{route.get('dst') or '0.0.0.0'}/{route['dst_len']}")
        hops = route.get("multipath") or ()
        if not there.prefixlen or ours in (route.get("oif"), *(hop.get("oif") for hop in hops)):
            continue
        for network in ranges:
            if network.overlaps(there):
                raise UserError(
                    f"the cluster would use {network}, but this host has a route to {there}; "
                    "use another --name, whose addresses are others, or --network loopback"
                )


def remove(cluster: ClusterConfig) -> None:
    """Leave nothing of it on the host. What another cluster has under the same names stays."""
    held = namespace.find(cluster.path, LAN)
    with netlink() as host, netlink(_network(held)) if held else nullcontext() as lan:
        if _is_anothers(host, host_link(cluster), lan):
            return
        delete(host, host_link(cluster))
    try:
        masquerade.remove(host_link(cluster))
    except OSError:
        return  # a kernel without nftables, where there can be no table


def _held(cluster: ClusterConfig, name: str) -> str:
    found = namespace.find(cluster.path, name)
    if found is None:
        raise UserError(f"the namespace {name!r} of cluster {cluster.name} is gone")
    return _network(found)


def _network(held: namespace.Namespace) -> str:
    return f"/proc/{held.pid}/ns/net"


def main(verb: str, data_dir: str) -> int:
    """Do it; print the note, or the one line that says why it cannot be done."""
    cluster = config.load(Path(data_dir))
    assert cluster is not None
    try:
        if verb == "remove":
            remove(cluster)
        elif note := make(cluster):
            print(note)
    except UserError as error:
        print(error)
    except FileExistsError:  # made since we looked
        print(_taken(host_link(cluster)))
    except OSError as error:
        print(
            f"the netns network cannot be made: {error.strerror or error}; "
            "it takes root, CAP_NET_ADMIN and a kernel with bridges and veth pairs, or use --network loopback"
        )
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
