"""Pods from their binding to their end, on a real kubelet."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import CONFIGMAPS, PODS
from podyard.kubelet.network import NetworkError
from podyard.kubelet.network.addresses import AddressBook
from tests.unit.kubelet.kubelet_harness import (
    Cluster,
    condition,
    container_status,
    phase,
    running_cluster,
    shell,
    waiting,
)
from tests.unit.kubelet.runtime_harness import log_lines, until

Object = dict[str, Any]

SLEEP = "exec sleep 1000"
SEES_SHARED: Object = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}


def shared(path: Path) -> list[Object]:
    """Volumes through which test and container meet."""
    return [{"name": "shared", "hostPath": {"path": str(path)}}]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(tmp_path) as cluster:
        yield cluster


def running(pod: Object) -> bool:
    return phase(pod) == "Running" and condition(pod, "Ready") == "True"


def log(cluster: Cluster, pod: Object, name: str = "main", attempt: int = 0) -> list[str]:
    metadata = pod["metadata"]
    directory = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
    path = cluster.data_dir / "kubelet/node1/logs" / directory / name / f"{attempt}.log"
    return [text for _, _, text in log_lines(path)]


def processes(pod: Object) -> list[int]:
    """The processes whose environment carries the pod's name."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"HOSTNAME={pod['metadata']['name']}".encode() in (
                entry / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def test_a_pod_runs_and_is_deleted(cluster: Cluster) -> None:
    await cluster.create("runs", shell(SLEEP))
    pod = await cluster.until("runs", running)
    status = pod["status"]
    assert status["podIP"].rpartition(".")[0] == cluster.range.rpartition(".")[0]
    assert (status["hostIP"], status["qosClass"]) == (cluster.node_ip, "BestEffort")
    main = container_status(pod)
    assert main["containerID"].startswith("podyard://")
    assert main["image"].endswith("busybox:latest")
    assert {c["type"]: c["status"] for c in status["conditions"]}["PodReadyToStartContainers"] == "True"
    assert len(processes(pod)) == 1
    await cluster.client.delete(PODS, "runs", "default")
    await cluster.until_gone("runs")
    assert processes(pod) == []
    for reason, message in (("Started", "Container started"), ("Killing", "Stopping container main")):
        await cluster.until_event(reason, message)
    reasons = [
        event["reason"] for event in cluster.events.list() if event["involvedObject"]["name"] == "runs"
    ]
    assert set(reasons) == {"Pulling", "Pulled", "Created", "Started", "Killing"}
    paths = {e["involvedObject"].get("fieldPath") for e in cluster.events.list() if e["reason"] == "Started"}
    assert paths == {"spec.containers{main}"}


async def test_a_pod_that_is_deleted_before_it_serves(cluster: Cluster, tmp_path: Path) -> None:
    hook = {"preStop": {"exec": {"command": ["touch", "/shared/hook"]}}}
    never = shell(SLEEP, image="nginx", ports=[{"containerPort": 8088}], lifecycle=hook, **SEES_SHARED)
    pod = await cluster.create("hasty", never, terminationGracePeriodSeconds=1, volumes=shared(tmp_path))
    await until(lambda: processes(pod))
    assert phase(await cluster.until("hasty", lambda _: True)) == "Pending"
    await cluster.client.delete(PODS, "hasty", "default")
    await cluster.until_gone("hasty")
    assert (tmp_path / "hook").exists()
    await cluster.until_event("Killing", "Stopping container main")
    await cluster.until_event("Started", "Container started")


async def test_services_that_exist_are_in_the_environment(cluster: Cluster) -> None:
    await cluster.create("before", shell("env | grep SERVICE | sort"), restartPolicy="Never")
    before = await cluster.until("before", lambda pod: phase(pod) == "Succeeded")
    assert {line.partition("_")[0] for line in log(cluster, before)} <= {"KUBERNETES"}
    await cluster.service("my-nginx", "127.96.0.77")
    await cluster.create("after", shell("env | grep MY_NGINX | sort"), restartPolicy="Never")
    after = await cluster.until("after", lambda pod: phase(pod) == "Succeeded")
    assert "MY_NGINX_SERVICE_HOST=127.96.0.77" in log(cluster, after)
    assert "MY_NGINX_PORT_80_TCP=tcp://127.96.0.77:80" in log(cluster, after)


async def kill(pod: Object) -> None:
    """End its processes from outside."""
    await until(lambda: processes(pod))
    for pid in processes(pod):
        os.kill(pid, signal.SIGKILL)


async def test_a_killed_process_is_restarted_then_backed_off(cluster: Cluster) -> None:
    await cluster.create("dies", shell(SLEEP))
    pod = await cluster.until("dies", running)
    await kill(pod)
    pod = await cluster.until("dies", lambda p: running(p) and container_status(p)["restartCount"] == 1)
    assert container_status(pod)["lastState"]["terminated"]["exitCode"] == 137
    await kill(pod)
    pod = await cluster.until("dies", lambda p: waiting(p) == "CrashLoopBackOff")
    message = container_status(pod)["state"]["waiting"]["message"]
    assert message.startswith("back-off 10s restarting failed container=main pod=dies_default(")
    await cluster.until_event("BackOff", "Back-off restarting failed container main in pod dies_default(")


async def test_a_pod_that_ends_by_itself(cluster: Cluster) -> None:
    await cluster.create(
        "ends",
        shell("echo main; exit 3"),
        initContainers=[
            shell("echo one", "one"),
            shell(
                "trap 'echo bye; exit' TERM; echo side; while :; do sleep 0.05; done",
                "side",
                restartPolicy="Always",
            ),
            shell("echo two", "two"),
        ],
        restartPolicy="Never",
    )
    pod = await cluster.until("ends", lambda p: phase(p) == "Failed")
    assert container_status(pod)["state"]["terminated"]["exitCode"] == 3
    assert [container_status(pod, name)["state"]["terminated"]["exitCode"] for name in ("one", "two")] == [
        0,
        0,
    ]
    assert [log(cluster, pod, name) for name in ("one", "two", "main", "side")] == [
        ["one"],
        ["two"],
        ["main"],
        ["side", "bye"],
    ]
    starts = [container_status(pod, name)["state"]["terminated"] for name in ("one", "side", "two", "main")]
    assert [s["startedAt"] for s in starts] == sorted(s["startedAt"] for s in starts)
    assert processes(pod) == []


async def test_an_image_that_nobody_knows(cluster: Cluster) -> None:
    await cluster.create("bad", {"name": "main", "image": "nobody/knows:1"})
    await cluster.until("bad", lambda p: waiting(p) == "ErrImagePull")
    event = await cluster.until_event("Failed", 'Failed to pull image "nobody/knows:1": ')
    assert "nginx" in event["message"]
    await cluster.until_event("Failed", "Error: ErrImagePull")
    pod = await cluster.until("bad", lambda p: waiting(p) == "ImagePullBackOff")
    message = container_status(pod)["state"]["waiting"]["message"]
    assert message.startswith('Back-off pulling image "nobody/knows:1": ErrImagePull: ')
    assert (phase(pod), container_status(pod)["restartCount"]) == ("Pending", 0)
    await cluster.client.delete(PODS, "bad", "default")
    await cluster.until_gone("bad")


async def test_a_missing_config_map_is_waited_for(cluster: Cluster) -> None:
    reference = {"configMapKeyRef": {"name": "settings", "key": "colour"}}
    env = [{"name": "COLOUR", "valueFrom": reference}]
    await cluster.create("waits", shell("echo $COLOUR", env=env), restartPolicy="Never")
    pod = await cluster.until("waits", lambda p: waiting(p) == "CreateContainerConfigError")
    assert container_status(pod)["state"]["waiting"]["message"] == 'configmap "settings" not found'
    await cluster.until_event("Failed", 'Error: configmap "settings" not found')
    metadata = {"name": "settings", "namespace": "default"}
    await cluster.client.create(
        CONFIGMAPS,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"colour": "blue"}},
    )
    pod = await cluster.until("waits", lambda p: phase(p) == "Succeeded")
    assert log(cluster, pod) == ["blue"]


async def test_a_container_that_cannot_be_started(cluster: Cluster) -> None:
    await cluster.create("cannot", {"name": "main", "image": "busybox", "command": ["/no/such"]})
    pod = await cluster.until("cannot", lambda p: waiting(p) == "CrashLoopBackOff")
    ended = container_status(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    await cluster.until_event("Failed", "no such file or directory")


async def test_hooks(cluster: Cluster, tmp_path: Path) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo post >> /shared/hooks"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo pre >> /shared/hooks"]}},
    }
    script = "trap 'echo term >> /shared/hooks; exit' TERM; while :; do sleep 0.05; done"
    await cluster.create("hooked", shell(script, lifecycle=hooks, **SEES_SHARED), volumes=shared(tmp_path))
    await cluster.until("hooked", running)
    await cluster.client.delete(PODS, "hooked", "default")
    await cluster.until_gone("hooked")
    assert (tmp_path / "hooks").read_text().split() == ["post", "pre", "term"]


@pytest.mark.parametrize(
    "bad", [{"exec": {"command": ["sh", "-c", "exit 4"]}}, {"httpGet": {"port": 80, "host": "a..b"}}]
)
async def test_failing_hooks(cluster: Cluster, bad: Object) -> None:
    await cluster.create("badpost", shell(SLEEP, lifecycle={"postStart": bad}))
    await cluster.create("badpre", shell(SLEEP, lifecycle={"preStop": bad}))
    await cluster.until_event("FailedPostStartHook", "PostStartHook failed")
    await cluster.until("badpost", lambda p: container_status(p).get("restartCount", 0) >= 1)
    await cluster.until("badpre", running)
    await cluster.client.delete(PODS, "badpre", "default")
    await cluster.until_gone("badpre")
    await cluster.until_event("FailedPreStopHook", "PreStopHook failed")


async def test_who_ignores_sigterm_is_killed_after_the_grace_period(cluster: Cluster) -> None:
    await cluster.create("stubborn", shell("trap '' TERM; while :; do sleep 0.05; done"))
    pod = await cluster.until("stubborn", running)
    await cluster.client.delete(PODS, "stubborn", "default", grace_period_seconds=1)
    await cluster.until_gone("stubborn")
    assert processes(pod) == []


async def test_an_end_that_fails_is_tried_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at that moment."""
    await cluster.create("fills", shell(SLEEP))
    await cluster.until("fills", running)
    save, failures = AddressBook._save, iter([NetworkError("No space left on device")])

    def fail_once(book: AddressBook) -> None:
        for failure in failures:
            raise failure
        save(book)

    monkeypatch.setattr(AddressBook, "_save", fail_once)
    await cluster.client.delete(PODS, "fills", "default")
    await cluster.until_gone("fills")
    assert list(failures) == []


async def test_force_deletion_kills_at_once(cluster: Cluster) -> None:
    await cluster.create(
        "forced", shell("trap '' TERM; while :; do sleep 0.05; done"), terminationGracePeriodSeconds=600
    )
    pod = await cluster.until("forced", running)
    await cluster.client.delete(PODS, "forced", "default")
    await cluster.until("forced", lambda p: p["metadata"].get("deletionTimestamp"))
    await cluster.until_event("Killing", "Stopping container main")
    await cluster.client.delete(PODS, "forced", "default", grace_period_seconds=0)
    await cluster.until_gone("forced")
    async with asyncio.timeout(10):
        while processes(pod):  # noqa: ASYNC110  (nobody tells of the end of a forgotten pod)
            await asyncio.sleep(0.02)


async def test_an_active_deadline(cluster: Cluster) -> None:
    await cluster.create("late", shell(SLEEP), activeDeadlineSeconds=1)
    pod = await cluster.until("late", lambda p: phase(p) == "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"
    assert processes(pod) == []


async def test_a_failed_liveness_probe_restarts(cluster: Cluster) -> None:
    probe = {
        "exec": {"command": ["sh", "-c", "echo unwell; exit 1"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    await cluster.create("unwell", shell(SLEEP, livenessProbe=probe))
    await cluster.until("unwell", lambda p: container_status(p).get("restartCount", 0) >= 1)
    await cluster.until_event("Unhealthy", "Liveness probe failed: unwell")
    await cluster.until_event("Killing", "Container main failed liveness probe, will be restarted")


async def test_a_probe_that_cannot_be_carried_out_restarts_nothing(cluster: Cluster) -> None:
    liveness = {"exec": {"command": ["nope"]}, "failureThreshold": 1}
    readiness = {"exec": {"command": ["true"]}, "initialDelaySeconds": 1}
    await cluster.create("odd", shell(SLEEP, livenessProbe=liveness, readinessProbe=readiness))
    await cluster.until_event(
        "Unhealthy",
        "Liveness probe errored and resulted in unknown state: unable to start container process: "
        'exec: "nope": executable file not found in $PATH',
    )
    pod = await cluster.until("odd", lambda p: condition(p, "Ready") == "True")
    assert container_status(pod)["restartCount"] == 0


async def test_readiness_follows_its_probe(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "ready"
    probe = {"exec": {"command": ["test", "-e", "/shared/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    await cluster.create(
        "probed", shell(SLEEP, readinessProbe=probe, **SEES_SHARED), volumes=shared(tmp_path)
    )
    pod = await cluster.until("probed", lambda p: phase(p) == "Running")
    assert condition(pod, "Ready") == "False"
    file.touch()
    await cluster.until("probed", running)
    file.unlink()
    await cluster.until("probed", lambda p: condition(p, "Ready") == "False")


async def test_a_changed_image_restarts_the_container(cluster: Cluster) -> None:
    await cluster.create("changes", {"name": "main", "image": "nginx", "ports": [{"containerPort": 8088}]})
    pod = await cluster.until("changes", running)
    patch = [{"op": "replace", "path": "/spec/containers/0/image", "value": "nginx:1.25"}]
    await cluster.client.patch(PODS, "changes", "default", patch, content_type="application/json-patch+json")
    await cluster.until_event("Killing", "Container main definition changed, will be restarted")
    after = await cluster.until("changes", lambda p: running(p) and "1.25" in container_status(p)["image"])
    assert after["status"]["podIP"] == pod["status"]["podIP"]
