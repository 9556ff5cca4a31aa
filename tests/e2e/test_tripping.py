"""What people trip over when they begin with Services, and a host that refuses what pods need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.harness import PODYARD, Cluster, Namespace, eventually, http, run
from tests.support import no_namespaces


def test_two_pods_with_one_port_on_one_node(namespace: Namespace) -> None:
    for name in ("one", "two"):
        namespace.kubectl(
            "run", name, "--image=nginx", "--port=80", '--overrides={"spec":{"nodeName":"node1"}}'
        )
    namespace.kubectl("wait", "--for=condition=Ready", "pod/one", "pod/two", "--timeout=40s")
    ips = {namespace.json("pod", name)["status"]["podIP"] for name in ("one", "two")}
    assert len(ips) == 2
    assert [http(f"http://{ip}/")[0] for ip in ips] == [200, 200]


def test_names_from_within_a_pod(namespace: Namespace) -> None:
    namespace.kubectl("create", "deployment", "web", "--image=nginx", "--port=80")
    namespace.kubectl("expose", "deployment", "web")
    namespace.kubectl("run", "here", "--image=radial/busyboxplus:curl", "--", "sleep", "1000")
    namespace.rolled_out("web")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/here", "--timeout=40s")
    eventually(lambda: namespace.addresses("web"))
    full = f"web.{namespace.name}.svc.cluster.local"
    for name in ("web", f"web.{namespace.name}", f"web.{namespace.name}.svc", full, f"{full}."):
        words = ("exec", "here", "--", "curl", "-sS", f"http://{name}/")
        said = partial(namespace.kubectl, *words, ok=False)
        eventually(lambda said=said: "Welcome to nginx!" in said().out)  # type: ignore[misc]
    # From another namespace the short name is not enough.
    other = Namespace(namespace.cluster, "default")
    name = f"there-{namespace.name}"
    other.kubectl("run", name, "--image=radial/busyboxplus:curl", "--", "sleep", "1000")
    try:
        other.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=40s")
        failed = other.kubectl("exec", name, "--", "curl", "-sS", "http://web/", ok=False)
        assert "Could not resolve host: web" in failed.err
        words = ("exec", name, "--", "curl", "-sS", f"http://web.{namespace.name}/")
        eventually(lambda: "Welcome to nginx!" in other.kubectl(*words, ok=False).out)
    finally:
        other.kubectl("delete", "pod", name, "--now", "--wait=false")


def test_a_secret_that_comes_later(namespace: Namespace) -> None:
    namespace.apply(
        """
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  volumes: [{name: v, secret: {secretName: later}}]
  containers:
    - name: c
      image: busybox
      command: [sleep, "1000"]
      volumeMounts: [{name: v, mountPath: /etc/later}]
"""
    )
    waiting = eventually(
        lambda: next(
            (e for e in namespace.json("events")["items"] if e["reason"] == "FailedMount"),
            None,
        )
    )
    assert 'secret "later" not found' in waiting["message"]

    def state() -> str:
        (container,) = namespace.json("pod", "waits")["status"]["containerStatuses"]
        return str(container["state"]["waiting"]["reason"])

    assert eventually(state) == "ContainerCreating"
    namespace.kubectl("create", "secret", "generic", "later", "--from-literal=key=value")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/waits", "--timeout=20s")
    assert namespace.kubectl("exec", "waits", "--", "cat", "/etc/later/key").out == "value"


@pytest.fixture
def bare() -> Iterator[Cluster]:
    """A cluster on a host that gives pods no namespaces."""
    if os.geteuid() != 0:
        pytest.skip("only root can take the namespaces away")
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home), f"bare-{os.getpid()}", tools.kubectl())
        up = [*PODYARD, "up", "-d", "--nodes", "1", "--name", cluster.name]
        run(no_namespaces.command(up), env=cluster.env)
        try:
            yield cluster
        finally:
            cluster.down("--purge")


def test_a_host_that_refuses_namespaces(bare: Cluster) -> None:
    """The pod runs, and what it lacks is said by Events and by a condition of the node."""
    bare.kubectl("apply", "-f", "examples/config.yaml")
    bare.kubectl("wait", "--for=condition=Ready", "pod/configured", "--timeout=40s")
    assert bare.kubectl("exec", "configured", "--", "printenv", "COLOUR").out == "green\n"
    conditions = {c["type"]: c for c in bare.json("node", "node1")["status"]["conditions"]}
    assert conditions["Ready"]["status"] == "True"
    assert (conditions["SandboxIsolated"]["status"], conditions["SandboxIsolated"]["reason"]) == (
        "False",
        "NamespacesRefused",
    )

    def told(reason: str) -> str:
        return next((str(e["message"]) for e in bare.json("events")["items"] if e["reason"] == reason), "")

    assert "The pod runs without a sandbox" in eventually(lambda: told("SandboxNotIsolated"))
    assert "Volumes are not mounted at /settings" in eventually(lambda: told("VolumesNotMounted"))
