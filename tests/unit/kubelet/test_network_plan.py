"""Which way a node's packets go to the pods of the others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from podyard.kubelet.network.plan import plan, tunnel_end, tunnel_mac

LINKS = [IPv4Interface("10.10.0.1/24"), IPv4Interface("192.168.7.2/16")]


def node(name: str, address: str, cidr: str = "") -> dict[str, Any]:
    addresses = [{"type": "Hostname", "address": name}]
    addresses += [{"type": "InternalIP", "address": address}] if address else []
    return {
        "metadata": {"name": name},
        "spec": {"podCIDR": cidr} if cidr else {},
        "status": {"addresses": addresses},
    }


CLUSTER = IPv4Network("10.244.0.0/16")
OWN = node("node1", "10.10.0.1", "10.244.1.0/24")


@pytest.mark.parametrize(
    ("others", "direct", "overlay"),
    [
        ([], {}, {}),
        ([node("node2", "10.10.0.2", "10.244.2.0/24")], {"10.244.2.0/24": "10.10.0.2"}, {}),
        ([node("node2", "192.168.200.9", "10.244.2.0/24")], {"10.244.2.0/24": "192.168.200.9"}, {}),
        ([node("node2", "10.11.0.2", "10.244.2.0/24")], {}, {"10.244.2.0/24": "10.11.0.2"}),
        (
            [node("a", "10.10.0.7", "10.244.7.0/24"), node("b", "172.16.0.9", "10.244.9.0/24")],
            {"10.244.7.0/24": "10.10.0.7"},
            {"10.244.9.0/24": "172.16.0.9"},
        ),
        ([node("unallocated", "10.10.0.2")], {}, {}),
        ([node("unknown", "", "10.244.2.0/24")], {}, {}),
        ([node("six", "fd00::2", "10.244.2.0/24")], {}, {}),
        ([node("odd", "10.10.0.2", "nonsense")], {}, {}),
        ([node("twin", "10.10.0.1", "10.244.2.0/24")], {}, {}),
        (
            [node("b", "10.10.0.3", "10.244.2.0/24"), node("a", "10.10.0.2", "10.244.2.0/24")],
            {"10.244.2.0/24": "10.10.0.2"},
            {},
        ),
        ([node("evil", "10.10.0.6", "0.0.0.0/0")], {}, {}),
        ([node("evil", "10.10.0.6", "10.96.0.0/24")], {}, {}),
        ([node("evil", "10.10.0.6", "10.244.1.128/25")], {}, {}),
        ([node("evil", "10.10.0.6", "10.244.0.0/16")], {}, {}),
        (
            [node("a", "10.10.0.2", "10.244.2.0/24"), node("evil", "10.10.0.6", "10.244.2.0/25")],
            {"10.244.2.0/24": "10.10.0.2"},
            {},
        ),
    ],
    ids=[
        "alone", "neighbour", "second link", "behind a router", "both", "no podCIDR", "no address", "IPv6",
        "invalid podCIDR", "on this host", "one podCIDR twice", "everything",
        "outside of the cluster's", "a part of ours", "all of the cluster's", "a part of another's",
    ],
)  # fmt: skip
def test_plan(others: list[dict[str, Any]], direct: dict[str, str], overlay: dict[str, str]) -> None:
    routes = plan([*others, OWN], "node1", LINKS, CLUSTER)
    assert routes.direct == {IPv4Network(k): IPv4Address(v) for k, v in direct.items()}
    assert routes.overlay == {IPv4Network(k): IPv4Address(v) for k, v in overlay.items()}


def test_what_is_not_routed_is_said() -> None:
    others = [node("a", "10.10.0.2", "10.0.0.0/8"), node("b", "10.10.0.3", "10.244.1.0/25")]
    assert plan([*others, OWN], "node1", LINKS, CLUSTER).refused == (
        "no route to the pods of node a: its podCIDR 10.0.0.0/8 is not in --cluster-cidr 10.244.0.0/16",
        "no route to the pods of node b: its podCIDR 10.244.1.0/25 overlaps 10.244.1.0/24 of node1",
    )


def test_the_end_of_a_tunnel_is_known_from_the_range_alone() -> None:
    cidr = IPv4Network("10.244.17.0/24")
    assert str(tunnel_end(cidr)) == "10.244.17.0"
    assert tunnel_mac(cidr) == "0a:58:0a:f4:11:00"
