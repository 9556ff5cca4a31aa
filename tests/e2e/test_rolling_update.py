"""A rolling update, a scale-down and a deleted pod under load: not one request is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Namespace, eventually
from tests.support.load import Load

RATE = 400
SERVER = """
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer, test
ThreadingHTTPServer.request_queue_size = 500  # as nginx has; with the usual 5 a busy machine drops clients
test(SimpleHTTPRequestHandler, ThreadingHTTPServer, port=80)
"""
REPLICAS = 4


@pytest.fixture
def load(namespace: Namespace) -> Iterator[Load]:
    """Requests to a Deployment of nginx by its ClusterIP and, on every node, its NodePort."""
    namespace.kubectl("create", "deployment", "web", "--image=nginx", f"--replicas={REPLICAS}", "--port=80")
    namespace.rolled_out("web")
    namespace.kubectl("expose", "deployment", "web", "--type=NodePort")
    eventually(lambda: len(namespace.addresses("web")) == REPLICAS)
    spec = namespace.json("service", "web")["spec"]
    config = namespace.cluster.config
    targets = [(spec["clusterIP"], 80)]
    targets += [(config.node_ip(number), spec["ports"][0]["nodePort"]) for number in (1, 2, 3)]
    eventually(lambda: all(_answers(target) for target in targets))
    with Load(targets, RATE) as made:
        eventually(lambda: made.answered > RATE)
        yield made
        _goes_on(made)
    assert made.failures == [], f"{len(made.failures)} of {made.answered + len(made.failures)}"


def _answers(target: tuple[str, int]) -> bool:
    with Load([target], 10, keepers=0) as probe:
        eventually(lambda: probe.answered or probe.failures)
    return not probe.failures


def _goes_on(load: Load) -> None:
    """Let it see the cluster for another second after the change."""
    answered = load.answered
    eventually(lambda: load.answered > answered + RATE)


def _restart(namespace: Namespace) -> None:
    namespace.kubectl("rollout", "restart", "deployment/web")
    namespace.rolled_out("web")


def test_a_rolling_update(namespace: Namespace, load: Load) -> None:
    before = {pod["metadata"]["name"] for pod in namespace.pods("app=web")}
    for _ in range(3):
        _restart(namespace)
    after = {pod["metadata"]["name"] for pod in namespace.pods("app=web")}
    assert not before & after


def test_a_rolling_update_of_one_replica(namespace: Namespace, load: Load) -> None:
    namespace.kubectl("scale", "deployment/web", "--replicas=1")
    eventually(lambda: len(namespace.addresses("web")) == 1)
    _restart(namespace)


def test_scaling_down_and_up(namespace: Namespace, load: Load) -> None:
    for replicas in (1, 4, 2):
        namespace.kubectl("scale", "deployment/web", f"--replicas={replicas}")
        eventually(lambda count=replicas: len(namespace.addresses("web")) == count)  # type: ignore[misc]


def test_a_server_that_knows_no_graceful_end(namespace: Namespace, load: Load) -> None:
    """SIGTERM ends it in the middle of a request; its preStop hook gives it the time to finish.

    Which is longer than the requests that are under way at once take on a machine that has no time for them.
    """
    container = {
        "name": "nginx",
        "image": "python:3",
        "command": ["python3", "-c", SERVER],
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
    }
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    namespace.kubectl("patch", "deployment", "web", "-p", json.dumps(patch))
    namespace.rolled_out("web")
    _restart(namespace)


def test_deleted_pods(namespace: Namespace, load: Load) -> None:
    for pod in namespace.pods("app=web")[:2]:
        namespace.kubectl("delete", "pod", pod["metadata"]["name"])
