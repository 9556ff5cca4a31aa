"""The netns network in real namespaces: nodes that are joined by a link or a router, and their pods."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest

from podyard.kubelet.network import links, masquerade
from podyard.kubelet.network.plan import Routes
from tests.support.networks import Network, needs_root, networks

pytestmark = needs_root

A, B = IPv4Network("10.244.1.0/24"), IPv4Network("10.244.2.0/24")


class Node:
    """A node in a namespace, with pods in others."""

    def __init__(self, network: Network, address: str, cidr: IPv4Network) -> None:
        self.network, self.address, self.cidr = network, address, cidr

    def start(self) -> None:
        self.network.do(lambda: links.make_bridge(self.cidr, self.address))
        self.network.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")

    def connect(self, pod: Network, uid: str, number: int) -> str:
        address = self.cidr[number]
        self.network.do(lambda: links.connect_pod(uid, pod.path, address, self.cidr))
        return str(address)

    def route(self, *, direct: dict[IPv4Network, str], overlay: dict[IPv4Network, str]) -> None:
        near, far = ({c: IPv4Address(a) for c, a in there.items()} for there in (direct, overlay))
        routes = Routes(near, far)
        self.network.do(lambda: links.set_routes(routes, self.cidr, self.address))

    def routes(self) -> list[str]:
        lines = self.network.shell("ip route show proto 112").splitlines()
        return [" ".join(line.split()) for line in lines]


@pytest.fixture
def spaces() -> Iterator[list[Network]]:
    with networks(5) as made:
        yield made


def neighbours(one: Network, other: Network) -> tuple[Node, Node]:
    """Two nodes on one link."""
    one.plug("up0", other, "up0", "10.10.0.1/24", "10.10.0.2/24")
    nodes = Node(one, "10.10.0.1", A), Node(other, "10.10.0.2", B)
    for node in nodes:
        node.start()
    return nodes


def test_pods_of_neighbours_reach_each_other_directly(spaces: list[Network]) -> None:
    first, second, here, there, _ = spaces
    one, other = neighbours(first, second)
    one.route(direct={B: other.address}, overlay={})
    other.route(direct={A: one.address}, overlay={})
    source, target = one.connect(here, "here", 2), other.connect(there, "there", 2)
    seen = there.serve()
    assert here.get(target) == 100_000
    assert seen() == source, "no address is translated on the way"
    assert "podyard.1" not in first.shell("ip -br link"), "no tunnel where none is needed"


def test_two_pods_of_a_node_have_every_port_to_themselves(spaces: list[Network]) -> None:
    first, second, here, there, _ = spaces
    one, _other = neighbours(first, second)
    source, target = one.connect(here, "here", 2), one.connect(there, "there", 3)
    seen_here, seen_there = here.serve(), there.serve()
    assert here.get(target) == there.get(source) == 100_000
    assert (seen_here(), seen_there()) == (target, source)


def test_nodes_behind_a_router_have_a_tunnel_of_the_right_size(spaces: list[Network]) -> None:
    """The router knows the nodes alone: no route to a pod."""
    first, second, here, there, router = spaces
    router.plug("a", first, "up0", "192.0.2.1/30", "192.0.2.2/30")
    router.plug("b", second, "up0", "198.51.100.1/30", "198.51.100.2/30")
    router.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")
    first.route("198.51.100.0/30", "192.0.2.1")
    second.route("192.0.2.0/30", "198.51.100.1")
    one, other = Node(first, "192.0.2.2", A), Node(second, "198.51.100.2", B)
    one.start()
    other.start()
    one.route(direct={}, overlay={B: other.address})
    other.route(direct={}, overlay={A: one.address})
    source, target = one.connect(here, "here", 2), other.connect(there, "there", 2)
    seen = there.serve()
    assert here.get(target) == 100_000, "segments of full size find their way"
    assert seen() == source
    seen = there.serve(port=81)
    assert first.get(target, 81) == 100_000, "the node itself reaches them, too"
    assert seen() == "10.244.1.1"
    assert "mtu 1450" in first.shell("ip link show podyard.1")
    assert one.routes() == ["10.244.2.0/24 via 10.244.2.0 dev podyard.1 src 10.244.1.1 onlink"]


def test_routes_follow_the_nodes(spaces: list[Network]) -> None:
    one, _ = neighbours(spaces[0], spaces[1])
    c = IPv4Network("10.244.3.0/24")
    one.route(direct={B: "10.10.0.2"}, overlay={c: "203.0.113.3"})
    tunnel = "10.244.3.0/24 via 10.244.3.0 dev podyard.1 src 10.244.1.1 onlink"
    assert one.routes() == ["10.244.2.0/24 via 10.10.0.2 dev up0", tunnel]
    fdb = "bridge fdb show dev podyard.1"
    assert one.network.shell(fdb).split()[:3] == ["0a:58:0a:f4:03:00", "dst", "203.0.113.3"]
    one.route(direct={B: "10.10.0.22"}, overlay={c: "203.0.113.33"})
    assert one.routes() == ["10.244.2.0/24 via 10.10.0.22 dev up0", tunnel]
    assert one.network.shell(fdb).split()[2] == "203.0.113.33"
    one.network.shell("ip route del 10.244.2.0/24; ip link del podyard.1")
    one.route(direct={B: "10.10.0.22"}, overlay={c: "203.0.113.33"})
    assert one.routes() == ["10.244.2.0/24 via 10.10.0.22 dev up0", tunnel], "what somebody removed is back"
    one.route(direct={}, overlay={})
    assert one.routes() == []
    assert "podyard.1" not in one.network.shell("ip -br link")


def test_a_pods_link_is_mended(spaces: list[Network]) -> None:
    first, second, here, _, _ = spaces
    one, _other = neighbours(first, second)
    address = one.connect(here, "here", 2)
    link = links.pod_link_name("here")
    before = first.shell(f"ip -o link show {link}")
    one.connect(here, "here", 2)
    assert first.shell(f"ip -o link show {link}") == before, "one that is right stays as it is"
    first.shell(f"ip link del {link}")
    one.connect(here, "here", 2)
    here.serve()
    assert first.get(address) == 100_000


def test_what_goes_outside_goes_under_the_nodes_address(spaces: list[Network]) -> None:
    first, second, here, outside, _ = spaces
    one, other = neighbours(first, second)
    first.plug("out", outside, "eth0", "203.0.113.1/24", "203.0.113.2/24")
    source = one.connect(here, "here", 2)
    other.route(direct={A: one.address}, overlay={})
    plain = [IPv4Network("10.244.0.0/16"), IPv4Network("10.10.0.2")]
    for _ in range(2):
        first.do(lambda: masquerade.masquerade("podyard", [A], plain, ["podyard-svc"]))
    seen = outside.serve()
    assert here.get("203.0.113.2") == 100_000
    assert seen() == "203.0.113.1"
    seen = second.serve()
    assert here.get("10.10.0.2") == 100_000
    assert seen() == source, "another node sees the pod"
    first.do(lambda: masquerade.remove("podyard"))
    first.do(lambda: masquerade.remove("podyard"))


def test_nothing_is_left(spaces: list[Network]) -> None:
    first, second = spaces[:2]
    first.plug("up0", second, "up0", "10.10.0.1/24", "10.10.0.2/24")
    what = "ip -br link | cut -d ' ' -f 1; ip route"
    before = first.shell(what)
    one = Node(first, "10.10.0.1", A)
    one.start()
    one.route(direct={B: "10.10.0.2"}, overlay={IPv4Network("10.244.3.0/24"): "203.0.113.3"})
    assert first.shell(what) != before
    first.do(links.remove_all)
    assert first.shell(what) == before
