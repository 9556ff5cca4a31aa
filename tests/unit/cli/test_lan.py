"""The links between the nodes of a cluster on one host."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podyard.cli.cluster import place, up
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.lan import links
from podyard.cli.lan.names import LAN
from podyard.cli.rootless import namespace
from podyard.kubelet.network import masquerade
from podyard.process.main import UserError
from podyard.process.namespaces import CLONE_NEWNET, setns
from tests.support.networks import Network, needs_root, networks

pytestmark = needs_root


@pytest.fixture
def host() -> Iterator[Network]:
    """The test itself is on a host of its own, with one link to a world outside."""
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    with networks(2) as (network, outside):
        network.plug("up0", outside, "eth0", "192.0.2.2/24", "192.0.2.1/24")
        setns(network.fd, CLONE_NEWNET)
        network.outside = outside  # type: ignore[attr-defined]
        try:
            yield network
        finally:
            setns(ours, CLONE_NEWNET)
            os.close(ours)


@pytest.fixture
def cluster(host: Network, tmp_path: Path) -> Iterator[ClusterConfig]:
    """A cluster of two nodes, whose namespaces are held."""
    made = ClusterConfig("podyard", str(tmp_path), 0, 6443, 2, "netns")
    made.save()
    namespace.networks(tmp_path, (LAN, "node1", "node2"), None)
    yield made
    namespace.release_all(tmp_path)


def in_node(cluster: ClusterConfig, name: str) -> Network:
    """The namespace of a node."""
    held = namespace.find(cluster.path, name)
    assert held is not None
    found = Network.__new__(Network)
    found.fd = os.open(f"/proc/{held.pid}/ns/net", os.O_RDONLY)
    return found


def test_nodes_reach_each_other_and_the_host_them(host: Network, cluster: ClusterConfig) -> None:
    assert links.make(cluster) == "pods do not reach beyond this host: it has no default route"
    what = "ip -o link | cut -d : -f 1,2; ip route | sed s/linkdown//"
    before = host.shell(what)
    links.make(cluster)
    assert host.shell(what) == before, "what is right stays as it is"
    one, two = in_node(cluster, "node1"), in_node(cluster, "node2")
    for client, address in ((one, "10.10.0.2"), (host, "10.10.0.2")):
        seen = two.serve()
        assert client.get(address) == 100_000
        assert seen() == ("10.10.0.1" if client is one else "10.10.0.254")
    assert "10.244.2.0/24 via 10.10.0.2 dev podyard-up0" in host.shell("ip route")
    assert host.shell("ip route show 10.96.0.0/16").count("nexthop") == 2
    host.shell("ip link del podyard-up0")
    links.make(cluster)
    seen = two.serve()
    assert host.get("10.10.0.2") == 100_000
    links.remove(cluster)
    assert "podyard-up0" not in host.shell("ip -o link; ip route")


def test_pods_reach_outside_where_the_host_forwards(host: Network, cluster: ClusterConfig) -> None:
    host.shell("ip route add default via 192.0.2.1; echo 0 > /proc/sys/net/ipv4/ip_forward")
    assert "it does not forward packets" in links.make(cluster)
    assert "default" not in in_node(cluster, "node1").shell("ip route")
    host.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert links.make(cluster) == ""
    outside: Network = host.outside  # type: ignore[attr-defined]
    seen = outside.serve()
    assert in_node(cluster, "node1").get("192.0.2.1") == 100_000
    assert seen() == "192.0.2.2", "under the host's address"


def test_a_range_that_the_host_uses_is_refused(host: Network, cluster: ClusterConfig) -> None:
    host.shell("ip route add 10.96.4.0/24 via 192.0.2.1")
    with pytest.raises(
        UserError, match=r"would use 10\.96\.0\.0/16, but this host has a route to 10\.96\.4\.0/24"
    ):
        links.make(cluster)
    assert "podyard-up0" not in host.shell("ip -o link")


def another_clusters_link(host: Network) -> None:
    """The link by which another cluster, with the same addresses, has its LAN."""
    outside: Network = host.outside  # type: ignore[attr-defined]
    host.plug("podyard-up0", outside, "theirs", "10.10.0.254/24", "10.10.0.1/24")


def test_addresses_that_another_cluster_has_are_refused(
    host: Network, cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "GONE_SECONDS", 0.1)
    another_clusters_link(host)
    with pytest.raises(UserError, match="another cluster on this host has the link podyard-up0"):
        links.make(cluster)
    links.remove(cluster)
    assert "podyard-up0" in host.shell("ip -o link"), "it is not ours"
    namespace.release_all(Path(cluster.data_dir))
    links.remove(cluster)
    assert "podyard-up0" in host.shell("ip -o link"), "nor is it when we have nothing at all"


def test_a_link_that_is_about_to_go_is_waited_for(host: Network, cluster: ClusterConfig) -> None:
    another_clusters_link(host)
    outside: Network = host.outside  # type: ignore[attr-defined]
    late = threading.Timer(0.2, lambda: outside.shell("ip link del theirs"))
    late.start()
    links.make(cluster)
    late.join()
    host.serve()
    assert in_node(cluster, "node1").get("10.10.0.254") == 100_000


def refuse(number: int) -> Callable[[ClusterConfig], str]:
    def make(_: ClusterConfig) -> str:
        raise OSError(number, os.strerror(number))

    return make


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (
            errno.EPERM,
            "the netns network cannot be made: Operation not permitted; it takes root, CAP_NET_ADMIN ",
        ),
        (errno.EOPNOTSUPP, "the netns network cannot be made: Operation not supported; it takes root, "),
        (errno.EEXIST, "another cluster on this host has the link podyard-up0"),
    ],
)
def test_what_the_kernel_refuses_is_one_line(
    cluster: ClusterConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    text: str,
) -> None:
    monkeypatch.setattr(links, "make", refuse(number))
    assert links.main("make", cluster.data_dir) == 1
    told = capsys.readouterr()
    assert (told.out.count("\n"), told.err) == (1, "")
    assert told.out.startswith(text)


def test_a_kernel_without_nftables(
    host: Network, cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.shell("ip route add default via 192.0.2.1; echo 1 > /proc/sys/net/ipv4/ip_forward")
    monkeypatch.setattr(masquerade, "masq", lambda: [("no", "such expression")])
    assert "its kernel has no nftables" in links.make(cluster)
    assert not masquerade.is_there("podyard-up0"), "a table that cannot be filled is not left"


def test_what_cannot_be_made_leaves_nothing(host: Network, tmp_path: Path) -> None:
    cluster = ClusterConfig("podyard", str(tmp_path), 0, 6443, 2, "netns")
    cluster.save()
    host.shell("ip route add 10.96.4.0/24 via 192.0.2.1")
    with pytest.raises(UserError, match="this host has a route to"):
        place.prepare(cluster)
    assert not namespace.any_held(tmp_path)


def test_what_was_there_before_a_failure_stays(host: Network, cluster: ClusterConfig) -> None:
    host.shell("ip route add 10.96.4.0/24 via 192.0.2.1")
    with pytest.raises(UserError, match="this host has a route to"):
        place.prepare(cluster)
    assert all(namespace.find(cluster.path, name) for name in (LAN, "node1", "node2"))


async def test_a_port_that_is_taken_leaves_nothing(host: Network, tmp_path: Path) -> None:
    cluster = ClusterConfig("podyard", str(tmp_path), 0, 6443, 2, "netns")
    cluster.save()
    with (
        socket.create_server(("127.0.0.1", 6443)),
        pytest.raises(UserError, match=r"6443/tcp .* is taken by"),
    ):
        await up.run(cluster, lambda said: None)
    assert not namespace.any_held(tmp_path)
