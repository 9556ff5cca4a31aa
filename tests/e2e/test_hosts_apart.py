"""Hosts of one cluster behind a router, which knows no pod: `podyard server`, `podyard join`, VXLAN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.harness import Cluster, Done, eventually
from tests.support.networks import Network, needs_root, networks

pytestmark = needs_root


class Host(Cluster):
    """A host: a network namespace, and a home directory."""

    def __init__(self, network: Network, home: Path) -> None:
        home.mkdir()
        super().__init__(home, "apart", tools.kubectl())
        self.network = network

    def podyard(self, *words: str, ok: bool = True, timeout: float = 90) -> Done:
        return self.network.do(lambda: super(Host, self).podyard(*words, ok=ok, timeout=timeout))

    def kubectl(
        self, *words: str, stdin: str = "", ok: bool = True, timeout: float = 60, namespace: str = ""
    ) -> Done:
        def there() -> Done:
            return super(Host, self).kubectl(*words, stdin=stdin, ok=ok, timeout=timeout, namespace=namespace)

        return self.network.do(there)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """A server and two others, each on a network of its own."""
    with networks(4) as (router, *others):
        router.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")
        for number, network in enumerate(others, 1):
            router.plug(f"h{number}", network, "eth0", f"172.20.{number}.254/24", f"172.20.{number}.1/24")
            network.shell(f"ip route add default via 172.20.{number}.254")
        made = [Host(network, tmp_path / f"host{number}") for number, network in enumerate(others, 1)]
        try:
            yield made
        finally:
            for host in reversed(made):
                host.podyard("down", "--purge", ok=False)


def test_pods_reach_each_other_over_a_tunnel(hosts: list[Host]) -> None:
    server, *nodes = hosts
    said = server.podyard("server", "--advertise", "172.20.1.1", "-d").out
    join = re.search(r"podyard (join .*)", said)
    assert join
    before = [host.network.shell("ip -br link | cut -d ' ' -f 1; ip route") for host in nodes]
    for number, host in enumerate(nodes, 1):
        host.podyard(*join[1].split(), "--node-name", f"host{number}", "-d")
    image = "--image=radial/busyboxplus:curl"
    for name, image_of in (("web", "--image=nginx"), ("client", image)):
        node = {"web": "host1", "client": "host2"}[name]
        command = ["--command", "--", "sleep", "1000"] if name == "client" else ["--port=80", "--expose"]
        override = f'--overrides={{"spec":{{"nodeName":"{node}"}}}}'
        server.kubectl("run", name, image_of, override, *command)
    server.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s")
    pods = {p["metadata"]["name"]: p["status"]["podIP"] for p in server.json("pods")["items"]}
    for url in (f"http://{pods['web']}", "http://web"):
        page = partial(server.kubectl, "exec", "client", "--", "curl", "-s", "-m", "10", url, ok=False)
        eventually(lambda page=page: "Welcome to nginx" in page().out)  # type: ignore[misc]
    assert pods["client"] in server.kubectl("logs", "web").out, "the pod's own address is seen"

    def network() -> str:
        conditions = {c["type"]: c for c in server.json("node", "host1")["status"]["conditions"]}
        return str(conditions["NetworkUnavailable"]["message"])

    eventually(lambda: "0 reached directly, 1 over VXLAN" in network())
    for host, links in zip(nodes, before, strict=True):
        host.podyard("down", "--purge")
        shell = partial(host.network.shell, "ip -br link | cut -d ' ' -f 1; ip route")
        eventually(lambda shell=shell, links=links: shell() == links)  # type: ignore[misc]
