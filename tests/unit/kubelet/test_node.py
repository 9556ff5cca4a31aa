"""What the kubelet says of its node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podyard.kubelet.images import Image
from podyard.kubelet.node import (
    Addresses,
    Machine,
    make_conditions,
    make_lease,
    make_node,
    make_status,
    network_not_ready,
    node_images,
    read_machine,
    status_differs,
)
from podyard.kubelet.runtime import Features

Object = dict[str, Any]

MACHINE = Machine(
    cpus=2,
    memory=8 * 2**30,
    disk=100 * 2**30,
    architecture="amd64",
    kernel="6.1.0",
    os_image="Debian GNU/Linux 12 (bookworm)",
    machine_id="m",
    boot_id="b",
)
THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def test_the_registered_node() -> None:
    node = make_node("node1", MACHINE)
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node1"
    assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "amd64"


def test_the_status() -> None:
    status = make_status("node1", Addresses("127.10.0.1", "192.0.2.1"), 10250, MACHINE)
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "127.10.0.1"},
        {"type": "ExternalIP", "address": "192.0.2.1"},
        {"type": "Hostname", "address": "node1"},
    ]
    assert status["capacity"] == {
        "cpu": "2",
        "memory": "8388608Ki",
        "ephemeral-storage": "104857600Ki",
        "pods": "110",
    }
    assert status["allocatable"] == status["capacity"]
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}
    info = status["nodeInfo"]
    assert info["kubeletVersion"].startswith("v1.37.0+podyard")
    assert info["containerRuntimeVersion"].startswith("podyard://")
    assert (info["osImage"], info["kernelVersion"]) == (MACHINE.os_image, MACHINE.kernel)


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert min(machine.cpus, machine.memory, machine.disk) > 0
    assert machine.kernel
    assert machine.architecture not in ("x86_64", "aarch64")


def by_type(conditions: list[Object]) -> dict[str, Object]:
    return {condition["type"]: condition for condition in conditions}


def test_conditions_of_a_node_that_is_ready() -> None:
    made = by_type(make_conditions("", Features(), [], NOW))
    assert {type_: c["status"] for type_, c in made.items()} == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "SandboxIsolated": "True",
        "Ready": "True",
    }
    assert (made["Ready"]["reason"], made["Ready"]["message"]) == (
        "KubeletReady",
        "kubelet is posting ready status",
    )
    assert made["DiskPressure"]["reason"] == "KubeletHasNoDiskPressure"


def test_conditions_change_their_times_only_when_they_change() -> None:
    before = make_conditions("no network", Features(), [], THEN)
    before.append({"type": "Other", "status": "True"})
    after = by_type(make_conditions("", Features(), before, NOW))
    assert (after["Ready"]["status"], after["Ready"]["lastTransitionTime"]) == ("True", NOW)
    assert after["PIDPressure"]["lastTransitionTime"] == THEN
    assert after["PIDPressure"]["lastHeartbeatTime"] == NOW
    assert after["Other"] == {"type": "Other", "status": "True"}


def test_a_node_without_a_range_is_not_ready() -> None:
    problem = network_not_ready({"spec": {}})
    assert problem.startswith("container runtime network not ready: NetworkReady=false")
    assert network_not_ready({"spec": {"podCIDR": "127.244.1.0/24"}}) == ""
    ready = by_type(make_conditions(problem, Features(), [], NOW))["Ready"]
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "KubeletNotReady", problem)


def full(**fields: Any) -> Object:
    status = make_status("node1", Addresses("127.10.0.1", "127.10.0.1"), 10250, MACHINE)
    return {**status, "conditions": make_conditions("", Features(), [], THEN), **fields}


@pytest.mark.parametrize(
    ("current", "differs"),
    [
        (full(), False),
        (full(conditions=make_conditions("", Features(), [], NOW)), False),
        (full(conditions=make_conditions("no network", Features(), [], THEN)), True),
        (full(addresses=[]), True),
        ({}, True),
    ],
)
def test_when_the_status_is_written(current: Object, differs: bool) -> None:
    assert status_differs(current, full()) is differs


def test_images_are_listed_largest_first() -> None:
    images = [Image(id=f"sha256:{n}", reference=f"i{n}", size=n) for n in range(60)]
    listed = node_images(images)
    assert listed[0] == {"names": ["i59"], "sizeBytes": 59}
    assert len(listed) == 50


def test_the_lease() -> None:
    lease = make_lease({"metadata": {"name": "node1", "uid": "u"}}, 0.25)
    assert lease["metadata"]["namespace"] == "kube-node-lease"
    assert lease["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert lease["spec"] == {
        "holderIdentity": "node1",
        "leaseDurationSeconds": 40,
        "renewTime": "1970-01-01T00:00:00.250000Z",
    }
