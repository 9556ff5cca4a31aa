"""The cluster of docker-compose.yml: what its user types, and containers that go and come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import compose as docker_compose
from tests.e2e.compose import API_PORT, BASE, PROJECT, Compose
from tests.e2e.harness import eventually, http, run

pytestmark = pytest.mark.timeout(600)  # the image may have to be built

WELCOME = "<title>Welcome to nginx!</title>"
ALL = ["node1", "node2", "node3"]


@pytest.fixture
def web(compose: Compose) -> Iterator[Compose]:
    """With the tutorial's Deployment, a pod on every node, and its Service."""
    compose.client("kubectl", "apply", "-f", "examples/run-my-nginx.yaml", "-f", "examples/nginx-svc.yaml")
    compose.client("kubectl", "scale", "deployment/my-nginx", "--replicas=3")
    compose.client("kubectl", "rollout", "status", "deployment/my-nginx", "--timeout=60s")
    eventually(lambda: WELCOME in compose.client("curl", "-s", "http://my-nginx", ok=False).out)
    try:
        yield compose
    finally:
        compose.client("kubectl", "delete", "deployment,service", "my-nginx", "--now")


def nodes_of(compose: Compose) -> dict[str, str]:
    """Where each pod is."""
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in compose.pods("run=my-nginx")}


def test_names_and_addresses_from_the_client(web: Compose) -> None:
    address = web.client("kubectl", "get", "service", "my-nginx", "-o", "jsonpath={.spec.clusterIP}").out
    eventually(lambda: f"Address 1: {address}\n" in web.client("nslookup", "my-nginx", ok=False).out)
    assert WELCOME in web.client("curl", "-s", f"http://{address}").out
    for pod in web.pods("run=my-nginx"):
        assert WELCOME in web.client("curl", "-s", f"http://{pod['status']['podIP']}").out
    assert sorted(nodes_of(web).values()) == ALL


def test_from_docker_s_host(web: Compose, tmp_path: Path) -> None:
    """A published node port, and the API with the server's kubeconfig."""
    web.client("kubectl", "patch", "service", "my-nginx", "-p", '{"spec":{"type":"NodePort"}}')
    path = "jsonpath={.spec.ports[0].nodePort}"
    port = web.client("kubectl", "get", "service", "my-nginx", "-o", path).out
    eventually(lambda: WELCOME in http(f"http://127.0.0.1:{port}/")[1])
    docker_compose.kubeconfig(web, tmp_path)
    assert API_PORT in (tmp_path / ".kube/config").read_text()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_node_goes_and_comes_back(web: Compose, how: str) -> None:
    before = nodes_of(web)
    restarts = {pod["metadata"]["name"]: restart_count(pod) for pod in web.pods("run=my-nginx")}
    web(how, "node2", timeout=90)
    eventually(lambda: WELCOME in web.client("curl", "-s", "-m", "5", "http://my-nginx", ok=False).out)
    web("start", "node2")

    def taken_up_again() -> bool:
        pods = web.pods("run=my-nginx")
        there = next(pod for pod in pods if pod["spec"]["nodeName"] == "node2")
        status = (there["status"].get("containerStatuses") or [{}])[0]
        return bool(status.get("ready")) and restart_count(there) > restarts[there["metadata"]["name"]]

    eventually(taken_up_again, timeout=60)
    assert nodes_of(web) == before
    eventually(lambda: web.ready_nodes() == ALL)


def test_the_server_keeps_its_token(compose: Compose) -> None:
    def forever() -> list[str]:
        listed = compose("exec", "-T", "server", "podyard", "token", "list", ok=False).out
        return [line.split()[0] for line in listed.splitlines() if "<forever>" in line]

    def published() -> str:
        return compose("exec", "-T", "server", "cat", "/join/command", ok=False).out

    before, command = forever(), published()
    assert len(before) == 1
    compose("restart", "server", timeout=90)
    eventually(lambda: forever() == before, timeout=60)  # it serves again, hence it publishes anew
    eventually(lambda: published() == command, timeout=60)
    assert forever() == before


def restart_count(pod: Any) -> int:
    """Of its first container."""
    statuses = pod["status"].get("containerStatuses") or [{"restartCount": 0}]
    return int(statuses[0]["restartCount"])


def test_the_image_is_small_and_the_server_no_root(compose: Compose) -> None:
    sizes = run(
        ["docker", "image", "inspect", "-f", "{{.Size}}", BASE, "podyard"], env=compose.env
    ).out.split()
    base, whole = map(int, sizes)
    assert whole - base < 150_000_000
    assert compose("exec", "-T", "server", "id", "-un").out == "podyard\n"


def test_down_leaves_nothing(compose: Compose) -> None:
    """Last: what `docker compose down -v` takes away, and that a second `up` begins anew."""
    compose("down", "-v", "-t", "5", timeout=120)
    for kind in ("container", "network", "volume"):
        found = run(["docker", kind, "ls", "-q", "--filter", f"name={PROJECT}"], env=compose.env).out
        assert found == "", kind
    compose("up", "-d", timeout=120)
    eventually(lambda: compose.ready_nodes() == ALL, timeout=60)
