"""Pods outlive their kubelet and their apiserver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import NODES, PODS
from podyard.client.client import STRATEGIC_MERGE_PATCH
from podyard.kubelet import command
from podyard.process.main import UserError
from tests.unit.kubelet.kubelet_harness import (
    Cluster,
    condition,
    container_status,
    phase,
    running_cluster,
    shell,
    waiting,
)

Object = dict[str, Any]

SLEEP = "exec sleep 1000"


def running(pod: Object) -> bool:
    return phase(pod) == "Running" and condition(pod, "Ready") == "True"


async def test_a_new_kubelet_takes_pods_over_as_they_are(tmp_path: Path) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 600}
    async with running_cluster(tmp_path) as cluster:
        await cluster.create("stays", shell(SLEEP, readinessProbe=probe, startupProbe=probe))
        before = await cluster.until("stays", running)
        await cluster.stop_kubelet()
        await cluster.start_kubelet()
        await cluster.create("next", shell(SLEEP))
        await cluster.until("next", running)
        after = await cluster.until("stays", running)
        assert after["status"]["podIP"] == before["status"]["podIP"]
        assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]
        times = [[c["lastTransitionTime"] for c in pod["status"]["conditions"]] for pod in (before, after)]
        assert times[0] == times[1], "it was ready all the time"
        assert (await cluster.until("next", running))["status"]["podIP"] != after["status"]["podIP"]


async def test_what_happens_while_no_kubelet_is_there_is_seen_afterwards(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as cluster:
        for name in ("deleted", "forced"):
            await cluster.create(name, shell(SLEEP))
            await cluster.until(name, running)
        await cluster.create("ends", shell("sleep 0.5; exit 7"), restartPolicy="Never")
        await cluster.until("ends", running)
        await cluster.stop_kubelet()
        await cluster.client.delete(PODS, "deleted", "default")
        await cluster.client.delete(PODS, "forced", "default", grace_period_seconds=0)
        await cluster.start_kubelet()
        await cluster.until_gone("deleted")
        ended = await cluster.until("ends", lambda pod: phase(pod) == "Failed")
        assert container_status(ended)["state"]["terminated"]["exitCode"] == 7
        await cluster.client.delete(PODS, "ends", "default")
        await cluster.until_gone("ends")
    assert list((tmp_path / "kubelet/node1/sandboxes").iterdir()) == []


async def test_a_pod_that_was_given_up_with_its_node_is_ready_again(tmp_path: Path) -> None:
    """As the node controller does when it has heard nothing of the node for long."""
    async with running_cluster(tmp_path) as cluster:
        await cluster.create("cut-off", shell(SLEEP))
        await cluster.until("cut-off", running)
        unready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        written = await cluster.client.patch(
            PODS,
            "cut-off",
            "default",
            {"status": {"conditions": [unready]}},
            content_type=STRATEGIC_MERGE_PATCH,
            subresource="status",
        )
        assert not running(written)
        version = int(written["metadata"]["resourceVersion"])
        await cluster.until(
            "cut-off", lambda pod: running(pod) and int(pod["metadata"]["resourceVersion"]) > version
        )


async def test_the_crash_loop_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as cluster:
        await cluster.create("crashes", shell("exit 1"))
        await cluster.until("crashes", lambda pod: waiting(pod) == "CrashLoopBackOff")
        await cluster.stop_kubelet()
        await cluster.start_kubelet()
        await cluster.create("later", shell(SLEEP))
        await cluster.until("later", running)
        pod = await cluster.until("crashes", lambda pod: waiting(pod) == "CrashLoopBackOff")
        assert container_status(pod)["restartCount"] == 1


async def test_all_pods_can_be_stopped_without_a_kubelet(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as cluster:
        await cluster.create("stops", shell(SLEEP))
        before = await cluster.until("stops", running)
        await cluster.stop_kubelet()
        await command.stop_all_pods(tmp_path)
        await command.stop_all_pods(tmp_path)
        await command.stop_all_pods(tmp_path / "nowhere")
        await cluster.start_kubelet()
        after = await cluster.until(
            "stops", lambda p: running(p) and container_status(p)["restartCount"] == 1
        )
        assert container_status(after)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        assert container_status(after)["containerID"] != container_status(before)["containerID"]


async def test_one_kubelet_at_a_time(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as cluster:
        with pytest.raises(UserError, match=r"is in use by another kubelet \(pid \d+\)"):
            await run_another(cluster)


async def run_another(cluster: Cluster) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    await command.main(parser.parse_args(cluster.arguments()))


async def test_the_node(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as cluster:
        node = await cluster.until_node(lambda node: condition(node, "Ready") == "True")
        assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": cluster.node_ip}
        assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.37")
        assert any("nginx" in name for image in node["status"]["images"] for name in image["names"])
        await cluster.until_event("NodeReady", "Node node1 status is now: NodeReady")
        unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "m"}
        await cluster.client.patch(
            NODES, "node1", "", {"status": {"conditions": [unknown]}}, subresource="status"
        )
        await cluster.until_node(lambda node: condition(node, "Ready") == "Unknown")
        await cluster.until_node(lambda node: condition(node, "Ready") == "True")
