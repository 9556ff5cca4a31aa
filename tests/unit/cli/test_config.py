"""Names, address ranges and data directories of clusters."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from podyard.cli.cluster import config, index
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.cluster.processes import processes, required_ports
from podyard.cli.cluster.steps import done, steps
from podyard.process.main import UserError


def cluster(number: int = 0, name: str = "podyard", path: str = "/nowhere", nodes: int = 3) -> ClusterConfig:
    return ClusterConfig(name, path, number, 6443 + 10 * number, nodes)


def test_the_first_cluster_has_the_documented_addresses() -> None:
    first = cluster()
    assert first.service_cidr == "127.96.0.0/16"
    assert first.pod_cidr == "127.244.0.0/16"
    assert first.load_balancer_cidr == "127.99.0.0/16"
    assert first.kubernetes_ip == "127.96.0.1"
    assert first.dns_ip == "127.96.0.10"
    assert [first.node_ip(n) for n in (1, 2, 3)] == ["127.10.0.1", "127.10.0.2", "127.10.0.3"]
    assert first.control_plane_ip == "127.10.0.254"
    assert first.context == "podyard"


def test_the_addresses_of_a_lan() -> None:
    first = replace(cluster(), network="netns")
    assert (first.service_cidr, first.pod_cidr) == ("10.96.0.0/16", "10.244.0.0/16")
    assert (first.dns_ip, first.kubernetes_ip) == ("10.96.0.10", "10.96.0.1")
    assert (first.node_ip(2), first.node_pod_cidr(2)) == ("10.10.0.2", "10.244.2.0/24")
    assert (first.api_url, first.server) == ("https://127.0.0.1:6443", "10.10.0.254:6444")
    by_name = {spec.name: spec for spec in processes(first)}
    assert {name: spec.node for name, spec in by_name.items() if spec.node} == {
        f"{what}-node{n}": f"node{n}" for n in (1, 2, 3) for what in ("kubelet", "proxy")
    }
    assert "--service-cidr" in by_name["proxy-node1"].arguments
    assert "--service-cidr" not in {spec.name: spec for spec in processes(cluster())}["proxy-node1"].arguments


def test_no_two_clusters_share_an_address_or_a_port() -> None:
    networks, ports = [], []
    for number in range(config.MAX_INDEX + 1):
        one = cluster(number)
        networks += [one.service_cidr, one.pod_cidr, one.load_balancer_cidr, f"{one.node_ip(1)}/24"]
        ports += [one.api_port, one.api_port + 1]
    parsed = [ipaddress.ip_network(text, strict=False) for text in networks]
    assert all(network.is_loopback for network in parsed)
    assert not [(a, b) for i, a in enumerate(parsed) for b in parsed[i + 1 :] if a.overlaps(b)]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a_b", "a.b", "x" * 41])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="a name has 1 to 40"):
        config.check_name(name)


def test_a_saved_cluster_is_loaded_again(tmp_path: Path) -> None:
    saved = cluster(2, "two", str(tmp_path / "two"))
    saved.save()
    assert config.load(tmp_path / "two") == saved
    assert config.load(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 2}', "has format 2"),
    ],
)
def test_a_strange_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "cluster.json").write_text(content)
    with pytest.raises(UserError, match=message):
        config.load(tmp_path)
    assert (tmp_path / "cluster.json").read_text() == content


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_clusters_get_ranges_of_their_own(home: Path) -> None:
    first = index.find_or_create("podyard", None, None, None)
    second = index.find_or_create("other", home / "elsewhere", 1, None)
    assert (first.index, first.nodes) == (0, 3)
    assert second.index >= 1
    assert second.nodes == 1
    assert index.find_or_create("other", None, None, None) == second, "its directory is remembered"
    assert index.find_or_create("other", None, 5, None).nodes == 5
    index.forget("other")
    assert index.find("other", None) is None


def test_who_looks_for_a_cluster_writes_nothing(home: Path) -> None:
    """Also from a disk that is full or read-only can it be shown and stopped."""
    assert index.find("podyard", None) is None
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("content", ["{", "[]", '{"podyard": 1}'])
def test_a_damaged_index_is_told_of(home: Path, content: str) -> None:
    (home / ".podyard").mkdir()
    (home / ".podyard" / "clusters.json").write_text(content)
    with pytest.raises(UserError, match=r"clusters\.json is damaged; remove it"):
        index.find("podyard", None)
    with pytest.raises(UserError, match=r"clusters\.json is damaged; remove it"):
        index.forget("podyard")


@pytest.mark.parametrize(
    ("name", "where", "port", "message"),
    [
        ("podyard", "elsewhere", None, "keeps its state in"),
        ("other", ".podyard/podyard", None, "belongs to cluster 'podyard'"),
        ("podyard", None, 7000, "was made with --port 6443"),
        ("other", ".ssh", None, "is not empty"),
    ],
)
def test_confusions_are_refused(
    home: Path, name: str, where: str | None, port: int | None, message: str
) -> None:
    index.find_or_create("podyard", None, None, None)
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").touch()
    with pytest.raises(UserError, match=message):
        index.find_or_create(name, home / where if where else None, None, port)


def test_a_cluster_keeps_its_network(home: Path) -> None:
    made = index.find_or_create("podyard", None, None, None, network="netns")
    assert made.network == "netns"
    assert index.find_or_create("podyard", None, None, None) == made
    with pytest.raises(UserError, match="was made with --network netns; that stays"):
        index.find_or_create("podyard", None, None, None, network="loopback")
    assert index.find_or_create("other", None, None, None).network == "loopback"


def test_every_node_has_its_kubelet_and_proxy() -> None:
    names = [spec.name for spec in processes(cluster(nodes=2))]
    assert names == [
        "apiserver", "controller-manager", "dns",
        "kubelet-node1", "proxy-node1", "kubelet-node2", "proxy-node2",
    ]  # fmt: skip
    listening = {(port.address, port.number) for port in required_ports(cluster(nodes=2))}
    assert {("127.10.0.1", 10250), ("127.10.0.2", 10250), ("127.0.0.1", 6443)} <= listening


def test_a_step_is_done_when_all_its_processes_are() -> None:
    all_steps = steps(cluster(nodes=1))
    assert [s.name for s in all_steps] == ["apiserver", "controllers", "node1", "DNS"]
    assert [s.name for s in done(all_steps, {"apiserver", "kubelet-node1"})] == ["apiserver"]
    assert [s.name for s in done(all_steps, {"kubelet-node1", "proxy-node1"})] == ["node1"]
