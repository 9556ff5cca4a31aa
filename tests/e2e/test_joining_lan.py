"""Hosts with networks of their own, on one link: what runs on one reaches what runs on the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import tools
from tests.e2e.harness import eventually, kill
from tests.e2e.hosts import Host, LanHosts
from tests.e2e.manifests import spread_web
from tests.support.networks import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanHosts]:
    """A server, two nodes, and a web server on each."""
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("curl", "curl")):
        tools.need(tool, package)
    made = LanHosts(tmp_path_factory.mktemp("lan"), 0, tools.kubectl())
    try:
        made.start_server()
        made.join(1)
        made.join(2)
        made.kubectl("apply", "-f", "-", stdin=spread_web(replicas=2))
        made.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
        yield made
    finally:
        made.close()


def status(host: Host, address: str) -> str:
    """The HTTP status that a host gets from an address."""
    return host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", f"http://{address}").out


def all_serve(hosts: LanHosts) -> bool:
    """Every node reaches the Service, by name of its DNS too, and every pod."""
    address = hosts.json("service", "web")["spec"]["clusterIP"]
    return all(status(host, address) == "200" for host in hosts.nodes.values())


def test_pods_of_all_hosts_reach_each_other(hosts: LanHosts) -> None:
    pods = hosts.json("pods", "-l", "app=web")["items"]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["node1", "node2"]
    eventually(lambda: all_serve(hosts))
    one, other = pods
    for here, there in ((one, other), (other, one)):
        name = here["metadata"]["name"]
        for address in (there["status"]["podIP"], "web", "web.default.svc.cluster.local"):
            words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", f"http://{address}")
            assert hosts.kubectl("exec", name, "--", *words).out == "200"


def test_a_shell_on_a_node(hosts: LanHosts) -> None:
    node = hosts.nodes["node1"]
    words = "curl -s -o /dev/null -w %{http_code} -m 5 http://web"
    assert eventually(lambda: node.podyard("shell", "-c", words, ok=False).out == "200")
    assert node.podyard("shell", "node1", "-c", "exit 3", ok=False).code == 3
    for host, said in (
        (node, "this host is node node1, not node2"),
        (hosts.server, f"the nodes of cluster {hosts.server.name} are other hosts"),
    ):
        refused = host.podyard("shell", "node2", "--name", host.name, ok=False)
        assert (refused.code, refused.err.count("\n")) == (1, 1)
        assert said in refused.err


def test_the_server_is_killed_and_comes_back(hosts: LanHosts) -> None:
    address = hosts.json("service", "web")["spec"]["clusterIP"]
    server = hosts.json("service", "kube-dns", "-n", "kube-system")["spec"]["clusterIP"]
    names = sorted(pod["metadata"]["name"] for pod in hosts.json("pods", "-l", "app=web")["items"])
    kill(hosts.server.supervisor())
    eventually(lambda: hosts.kubectl("get", "nodes", ok=False).code != 0)
    dig = tools.need("dig", "dnsutils")
    for host in hosts.nodes.values():
        assert [status(host, address) for _ in range(5)] == ["200"] * 5
        asked = host.run(dig, "+short", "+tries=2", f"@{server}", "web.default.svc.cluster.local")
        assert asked.out.strip() == address
    hosts.start_server()
    hosts.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=30s")
    assert sorted(p["metadata"]["name"] for p in hosts.json("pods", "-l", "app=web")["items"]) == names
    hosts.kubectl("scale", "deployment/web", "--replicas=4")
    hosts.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    eventually(lambda: all_serve(hosts))


def test_a_node_that_leaves(hosts: LanHosts) -> None:
    hosts.kubectl("drain", "node2")
    hosts.kubectl("delete", "node", "node2")
    assert hosts.nodes["node2"].podyard("down", "--purge").out == "Node node2 stopped and is removed.\n"
    hosts.kubectl("rollout", "status", "deployment/web", "--timeout=50s")

    def places() -> set[str]:
        return {pod["spec"]["nodeName"] for pod in hosts.json("pods", "-l", "app=web")["items"]}

    eventually(lambda: places() == {"node1"})
    address = hosts.json("service", "web")["spec"]["clusterIP"]
    assert [status(hosts.nodes["node1"], address) for _ in range(4)] == ["200"] * 4
    eventually(lambda: "podyard" not in hosts.nodes["node2"].run("ip", "-o", "link").out)
