"""Pods as they are stored: what admission adds and refuses, priority, quality of service."""

from __future__ import annotations

import pytest

from podyard.api.resources import (
    PODS,
    find,
)
from podyard.apiserver.registry import Object
from tests.unit.apiserver.registry_harness import (
    Cluster,
    pod,
    refusal,
)


async def test_a_pod_is_admitted(cluster: Cluster) -> None:
    spec = (await cluster.create(PODS, pod("p")))["spec"]
    assert (spec["serviceAccountName"], spec["priority"]) == ("default", 0)
    assert spec["preemptionPolicy"] == "PreemptLowerPriority"
    assert [(t["key"], t["tolerationSeconds"]) for t in spec["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    ]
    mine = pod("q")
    mine["spec"]["tolerations"] = [{"operator": "Exists"}]
    assert (await cluster.create(PODS, mine))["spec"]["tolerations"] == [{"operator": "Exists"}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"priorityClassName": "high"},
            'pods "p" is forbidden: no PriorityClass with name high was found',
        ),
        (
            {"serviceAccountName": "robot"},
            'pods "p" is forbidden: error looking up service account default/robot: '
            'serviceaccount "robot" not found',
        ),
        (
            {"priority": 7},
            'pods "p" is forbidden: the integer value of priority (7) must not be provided in pod spec; '
            "priority admission controller computed 0 from the given PriorityClass name",
        ),
    ],
)
async def test_a_pod_that_is_not_admitted(cluster: Cluster, spec: Object, message: str) -> None:
    obj = pod("p")
    obj["spec"] |= spec
    assert await refusal(cluster.create(PODS, obj)) == (403, message)


async def test_the_priority_of_a_class(cluster: Cluster) -> None:
    classes = find("scheduling.k8s.io", "v1", "priorityclasses")
    assert classes
    await cluster.create(classes, {"metadata": {"name": "usual"}, "value": 10, "globalDefault": True})
    assert (await cluster.create(PODS, pod("p")))["spec"]["priorityClassName"] == "usual"
    await cluster.create(classes, {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"})
    obj = pod("q")
    obj["spec"]["priorityClassName"] = "high"
    spec = (await cluster.create(PODS, obj))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"limits": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        (
            [{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}],
            "Guaranteed",
        ),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
    ],
)
async def test_quality_of_service(cluster: Cluster, resources: list[Object], expected: str) -> None:
    obj = pod("p")
    obj["spec"]["containers"] = [
        {"name": f"c{n}", "image": "x", "resources": found} for n, found in enumerate(resources)
    ]
    status = (await cluster.create(PODS, obj))["status"]
    assert status == {"phase": "Pending", "qosClass": expected}


async def test_a_pods_status_update_keeps_the_class_and_lists_the_address(cluster: Cluster) -> None:
    made = await cluster.create(PODS, pod("p", node="n"))
    new = {**made, "status": {"phase": "Running", "podIP": "127.244.1.2"}}
    status = (await cluster.update(PODS, new, subresource="status"))["status"]
    assert (status["qosClass"], status["podIPs"]) == ("BestEffort", [{"ip": "127.244.1.2"}])


@pytest.mark.parametrize("subresource", ["log", "nonsense", "scale"])
async def test_sub_resources_that_a_pod_has_not(cluster: Cluster, subresource: str) -> None:
    made = await cluster.create(PODS, pod("p"))
    assert (await refusal(cluster.update(PODS, made, subresource=subresource)))[0] == 405
