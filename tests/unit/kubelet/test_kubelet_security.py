"""securityContexts of pods on a real kubelet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.kubelet.kubelet_harness import Cluster, phase, running_cluster, shell, waiting
from tests.unit.kubelet.runtime_harness import is_root, log_lines, needs_namespaces

pytestmark = needs_namespaces


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(tmp_path) as cluster:
        yield cluster


def log(cluster: Cluster, pod: dict[str, Any], name: str) -> list[str]:
    metadata = pod["metadata"]
    directory = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
    return [
        text for _, _, text in log_lines(cluster.data_dir / f"kubelet/node1/logs/{directory}/{name}/0.log")
    ]


def ended(pod: dict[str, Any]) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


@pytest.mark.skipif(not is_root(), reason="as an ordinary user it is not root")
async def test_root_is_refused_where_the_pod_forbids_it(cluster: Cluster) -> None:
    made = await cluster.create("root", shell("true"), securityContext={"runAsNonRoot": True})
    pod = await cluster.until("root", lambda pod: waiting(pod) == "CreateContainerConfigError")
    text = (
        "container has runAsNonRoot and image will run as root "
        f'(pod: "root_default({made["metadata"]["uid"]})", container: main)'
    )
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == text
    assert (await cluster.until_event("Failed", about="root"))["message"] == f"Error: {text}"


async def test_the_container_wins_over_its_pod(cluster: Cluster) -> None:
    script = (
        "id -u; id -g; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; echo x > /data/x"
    )
    volume = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    await cluster.create(
        "users",
        shell(script, "of-pod", **volume),
        shell(script, "own", securityContext={"runAsUser": 4321, "runAsGroup": 12}),
        initContainers=[shell("id -u", "init")],
        restartPolicy="Never",
        securityContext={"runAsUser": 1234, "runAsNonRoot": True},
        serviceAccountName="default",
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    pod = await cluster.until("users", ended)
    assert [log(cluster, pod, name)[:3] for name in ("init", "of-pod", "own")] == [
        ["1234"],
        ["1234", "0", "default"],
        ["4321", "12", "default"],
    ]
    assert len(log(cluster, pod, "of-pod")) == 3, "it may write into its emptyDir"


async def test_what_does_not_hold_is_told_once(cluster: Cluster) -> None:
    containers = [shell("true", name, securityContext={"procMount": "Unmasked"}) for name in ("a", "b")]
    await cluster.create("told", *containers, securityContext={"runAsUser": 5}, restartPolicy="Never")
    await cluster.until("told", ended)
    event = await cluster.until_event("SecurityContextNotApplied", about="told")
    assert event["message"] == (
        "Not all of the securityContext holds on this node: procMount (nothing here acts on it)"
    )
    told = [line for line in cluster.all_events() if line.startswith("SecurityContextNotApplied")]
    assert len(told) == 1
