"""How a node reaches the pods of the other nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Routes:
    """By podCIDR, the address of the node that has it.

    `direct`: the address is on a link of ours, so that its node is the next hop. `overlay`: packets are
    wrapped (VXLAN, RFC 7348) and sent to the node's address, however far that is. `refused` says which
    podCIDRs have no route, and why.
    """

    direct: Mapping[IPv4Network, IPv4Address] = field(default_factory=dict)
    overlay: Mapping[IPv4Network, IPv4Address] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def plan(
    nodes: Iterable[Object], own_name: str, links: Iterable[IPv4Interface], cluster: IPv4Network
) -> Routes:
    """The routes to all nodes but `own_name`; `links` are this host's own addresses, with their networks.

    A node without an address or a podCIDR, or one that is on this very host, has none. Nor has a podCIDR
    that is not in the `cluster`'s, or overlaps this node's or one of a node earlier in the alphabet: a
    route to it would lead away what is meant for others.
    """
    links = list(links)
    direct: dict[IPv4Network, IPv4Address] = {}
    overlay: dict[IPv4Network, IPv4Address] = {}
    taken: dict[IPv4Network, str] = {}
    refused: list[str] = []
    for node in sorted(nodes, key=lambda node: _order(node, own_name)):
        name, address, cidr = str(node["metadata"]["name"]), internal_ip(node), pod_cidr(node)
        if cidr is None:
            continue
        if name == own_name:
            taken[cidr] = name
            continue
        if address is None or any(address == link.ip for link in links):
            continue
        if why := _misplaced(cidr, cluster, taken):
            refused.append(f"no route to the pods of node {name}: its podCIDR {cidr} {why}")
            continue
        taken[cidr] = name
        near = any(address in link.network for link in links)
        (direct if near else overlay)[cidr] = address
    return Routes(direct, overlay, tuple(refused))


def _order(node: Object, own_name: str) -> tuple[bool, str]:
    """Our own node first: nobody takes its range. The others by name, alike on every node."""
    name = str(node["metadata"]["name"])
    return name != own_name, name


def _misplaced(cidr: IPv4Network, cluster: IPv4Network, taken: Mapping[IPv4Network, str]) -> str:
    """Why there is no route to a podCIDR, "" when there is one."""
    if not cidr.subnet_of(cluster):
        return f"is not in --cluster-cidr {cluster}"
    return next((f"overlaps {other} of {name}" for other, name in taken.items() if cidr.overlaps(other)), "")


def internal_ip(node: Object) -> IPv4Address | None:
    """A node's first InternalIP of IPv4."""
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry.get("type") == "InternalIP":
            try:
                return IPv4Address(entry["address"])
            except ValueError:
                continue
    return None


def pod_cidr(node: Object) -> IPv4Network | None:
    """A node's range of pod addresses."""
    try:
        return IPv4Network((node.get("spec") or {}).get("podCIDR") or "")
    except ValueError:
        return None


def gateway(cidr: IPv4Network) -> IPv4Address:
    """The node's own address in its podCIDR, which its pods send to."""
    return cidr[1]


def tunnel_end(cidr: IPv4Network) -> IPv4Address:
    """The next hop to a podCIDR over VXLAN: its network address, which no pod has."""
    return cidr[0]


def tunnel_mac(cidr: IPv4Network) -> str:
    """The link address of that next hop: made of its IP address, so that nobody has to be asked for it."""
    return mac(tunnel_end(cidr))


def mac(address: IPv4Address) -> str:
    """A locally administered link address that stands for an IP address."""
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in address.packed)
