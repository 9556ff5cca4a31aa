"""Controllers and scheduler against a real apiserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    SERVICES,
)
from podyard.controllers import command
from podyard.process.main import UserError
from tests.support.certificates import Authority
from tests.unit.controllers.control_plane import ControlPlane, arguments, control_plane
from tests.unit.controllers.objects import Object


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with control_plane(tmp_path) as started:
        yield started


def deployment(name: str = "web", replicas: int = 2, **spec: object) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def service(name: str = "web", **spec: object) -> Object:
    ports = [{"port": 80, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }


def addresses(endpoints: list[Object], name: str = "web") -> list[str]:
    return sorted(
        address["ip"]
        for obj in endpoints
        if obj["metadata"]["name"] == name
        for subset in obj.get("subsets") or ()
        for address in subset.get("addresses") or ()
    )


def sliced(slices: list[Object], name: str = "web") -> list[str]:
    return sorted(
        endpoint["addresses"][0]
        for slice_ in slices
        if slice_["metadata"]["labels"].get("kubernetes.io/service-name") == name
        for endpoint in slice_.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    )


async def deployed(plane: ControlPlane, replicas: int = 2) -> None:
    await plane.client.create(SERVICES, service())
    await plane.client.create(DEPLOYMENTS, deployment(replicas=replicas))
    await plane.until(ENDPOINTS, lambda found: len(addresses(found)) == replicas)


async def test_from_deployment_to_endpoints(plane: ControlPlane) -> None:
    await deployed(plane)
    pods = await plane.until(PODS, lambda pods: pods if len(pods) == 2 else None)
    assert pods is not None
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    expected = sorted(pod["status"]["podIP"] for pod in pods)
    assert await plane.until(ENDPOINTS, addresses) == expected
    assert await plane.until(ENDPOINTSLICES, lambda s: len(sliced(s)) == 2 and sliced(s)) == expected
    await plane.until(DEPLOYMENTS, lambda d: d[0]["status"].get("availableReplicas") == 2)
    reasons = await plane.until(
        EVENTS, lambda events: {e["reason"] for e in events} >= {"ScalingReplicaSet", "Scheduled"}
    )
    assert reasons


async def test_rolling_update_and_rollback(plane: ControlPlane) -> None:
    await deployed(plane)
    containers = [{"name": "c", "image": "nginx:1.25"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    await plane.client.patch(DEPLOYMENTS, "web", "default", patch)

    def all_run(image: str, pods: list[Object]) -> bool:
        return len(pods) == 2 and all(p["spec"]["containers"][0]["image"] == image for p in pods)

    await plane.until(PODS, lambda pods: all_run("nginx:1.25", pods))
    containers[0]["image"] = "nginx"
    await plane.client.patch(DEPLOYMENTS, "web", "default", patch)
    await plane.until(PODS, lambda pods: all_run("nginx", pods))

    def revision(obj: Object) -> str:
        return str(obj["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision"))

    await plane.until(DEPLOYMENTS, lambda found: revision(found[0]) == "3")
    sets = await plane.until(REPLICASETS, lambda sets: sets)
    assert sorted(revision(rs) for rs in sets) == ["2", "3"]


async def test_scale_to_nothing_and_back(plane: ControlPlane) -> None:
    await deployed(plane)
    before = {pod["metadata"]["name"] for pod in await plane.until(PODS, lambda pods: pods)}
    await plane.client.patch(DEPLOYMENTS, "web", "default", {"spec": {"replicas": 0}})
    await plane.until(PODS, lambda pods: not pods)
    await plane.until(ENDPOINTS, lambda found: not addresses(found))
    await plane.client.patch(DEPLOYMENTS, "web", "default", {"spec": {"replicas": 2}})
    await plane.until(ENDPOINTS, lambda found: len(addresses(found)) == 2)
    assert before.isdisjoint(pod["metadata"]["name"] for pod in plane.all(PODS))


async def test_deleting_a_deployment_and_its_service_leaves_nothing(plane: ControlPlane) -> None:
    await deployed(plane)
    await plane.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Background")
    await plane.client.delete(SERVICES, "web", "default")
    await plane.until(REPLICASETS, lambda found: not found)
    await plane.until(PODS, lambda found: not found)
    for resource in (ENDPOINTS, ENDPOINTSLICES):
        await plane.until(resource, lambda found: [o["metadata"]["name"] for o in found] == ["kubernetes"])


async def test_foreground_deletion_ends_with_the_owner(plane: ControlPlane) -> None:
    await deployed(plane)
    await plane.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Foreground")
    await plane.until(DEPLOYMENTS, lambda found: not found)
    assert (await plane.client.list(PODS, "default")).items == []
    assert (await plane.client.list(REPLICASETS, "default")).items == []


async def test_orphans_stay_and_are_adopted_again(plane: ControlPlane) -> None:
    await deployed(plane)
    pods = {pod["metadata"]["uid"] for pod in await plane.until(PODS, lambda found: found)}
    await plane.client.delete(DEPLOYMENTS, "web", "default", propagation_policy="Orphan")
    await plane.until(DEPLOYMENTS, lambda found: not found)
    await plane.until(REPLICASETS, lambda sets: not sets[0]["metadata"].get("ownerReferences"))
    created = await plane.client.create(DEPLOYMENTS, deployment())
    await plane.until(
        REPLICASETS,
        lambda sets: (
            len(sets) == 1
            and [r["uid"] for r in sets[0]["metadata"].get("ownerReferences", ())]
            == [created["metadata"]["uid"]]
        ),
    )
    assert {pod["metadata"]["uid"] for pod in plane.all(PODS)} == pods


async def test_a_label_that_no_longer_matches_sets_a_pod_free(plane: ControlPlane) -> None:
    await deployed(plane)
    pod = (await plane.until(PODS, lambda found: found))[0]["metadata"]
    await plane.client.patch(PODS, pod["name"], "default", {"metadata": {"labels": {"app": "debug"}}})
    await plane.until(PODS, lambda found: len(found) == 3)
    await plane.until(ENDPOINTS, lambda found: len(addresses(found)) == 2)
    await plane.until(
        PODS,
        lambda pods: (
            [p["metadata"]["name"] for p in pods if not p["metadata"].get("ownerReferences")] == [pod["name"]]
        ),
    )


async def test_hand_made_endpoints_are_mirrored(plane: ControlPlane) -> None:
    await plane.client.create(SERVICES, service(selector=None))
    subset = {"addresses": [{"ip": "127.1.2.3"}], "ports": [{"port": 80}]}
    endpoints: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}}
    await plane.client.create(ENDPOINTS, {**endpoints, "subsets": [subset]}, "default")
    assert await plane.until(ENDPOINTSLICES, sliced) == ["127.1.2.3"]
    await plane.client.delete(ENDPOINTS, "web", "default")
    await plane.until(ENDPOINTSLICES, lambda found: not sliced(found))


async def test_namespaces_come_with_defaults_and_go_with_their_contents(plane: ControlPlane) -> None:
    await plane.client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    )
    await plane.until(SERVICEACCOUNTS, lambda f: [o["metadata"]["name"] for o in f] == ["default"], "shop")
    (config,) = await plane.until(CONFIGMAPS, lambda found: found, "shop")
    assert config["metadata"]["name"] == "kube-root-ca.crt"
    assert config["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    await plane.client.delete(SERVICEACCOUNTS, "default", "shop")
    await plane.until(
        SERVICEACCOUNTS, lambda f: f and f[0]["metadata"]["uid"] != config["metadata"]["uid"], "shop"
    )
    made = deployment()
    made["metadata"]["namespace"] = "shop"
    await plane.client.create(DEPLOYMENTS, made)
    await plane.until(PODS, lambda found: len(found) == 2, "shop")
    await plane.client.delete(NAMESPACES, "shop")
    await plane.until(NAMESPACES, lambda f: "shop" not in {o["metadata"]["name"] for o in f}, None)
    for resource in (PODS, DEPLOYMENTS, REPLICASETS, CONFIGMAPS, SERVICEACCOUNTS):
        assert (await plane.client.list(resource, "shop")).items == []


async def test_nodes_get_addresses_by_their_number(plane: ControlPlane) -> None:
    nodes = await plane.until(NODES, lambda found: found, None)
    ranges = {n["metadata"]["name"]: n["spec"]["podCIDR"] for n in nodes}
    assert ranges == {f"node{i}": f"127.244.{i}.0/24" for i in (1, 2, 3)}


async def test_a_pod_that_fits_nowhere_waits_for_a_node(plane: ControlPlane) -> None:
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "picky"}}
    spec = {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "c", "image": "nginx"}]}
    await plane.client.create(PODS, {**pod, "spec": spec}, "default")
    (condition,) = await plane.until(PODS, lambda pods: pods and pods[0]["status"].get("conditions"))
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "PodScheduled",
        "False",
        "Unschedulable",
    )
    assert condition["message"].startswith(
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    )
    await plane.client.patch(NODES, "node2", "", {"metadata": {"labels": {"disk": "ssd"}}})
    await plane.until(PODS, lambda pods: pods[0]["spec"].get("nodeName") == "node2")


async def test_a_silent_node(tmp_path: Path) -> None:
    async with control_plane(tmp_path, "--node-monitor-grace-period", "0.5", nodes=1) as plane:
        lively = asyncio.create_task(keep_alive(plane))
        await deployed(plane)
        lively.cancel()
        node = await plane.until(NODES, lambda nodes: nodes[0]["spec"].get("taints") and nodes[0], None)
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
        # It is the only node, so nothing is driven away from it.
        assert [(t["key"], t["effect"]) for t in node["spec"]["taints"]] == [
            ("node.kubernetes.io/unreachable", "NoSchedule")
        ]
        await plane.until(ENDPOINTS, lambda found: not addresses(found))
        await plane.renew_lease("node1")
        await plane.report_ready("node1")
        await plane.until(NODES, lambda nodes: not nodes[0]["spec"].get("taints"), None)


async def test_pods_leave_an_unreachable_node_when_their_time_is_up(tmp_path: Path) -> None:
    async with control_plane(tmp_path, "--node-monitor-grace-period", "0.5", nodes=2) as plane:
        lively = asyncio.create_task(keep_alive(plane))
        made = deployment()
        made["spec"]["template"]["spec"]["tolerations"] = [
            {
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 1,
            }
        ]
        plane.alive.discard("node2")  # from now on nothing comes from there
        await plane.client.create(DEPLOYMENTS, made)
        doomed = await plane.until(
            PODS,
            lambda pods: [
                p
                for p in pods
                if p["spec"].get("nodeName") == "node2" and "deletionTimestamp" in p["metadata"]
            ],
        )
        assert "DisruptionTarget" in {c["type"] for c in doomed[0]["status"]["conditions"]}
        await plane.until(PODS, lambda pods: [p["spec"].get("nodeName") for p in pods].count("node1") == 2)
        lively.cancel()


async def keep_alive(plane: ControlPlane) -> None:
    while True:
        await plane.renew_lease("node1")
        await asyncio.sleep(0.1)


async def test_everything_survives_a_restart_of_the_apiserver(plane: ControlPlane) -> None:
    await deployed(plane)
    await plane.apiserver.stop()
    with pytest.raises(StatusError, match="cannot be reached"):
        await plane.client.list(PODS)
    await plane.apiserver.start()
    await plane.until(DEPLOYMENTS, lambda found: found[0]["status"].get("availableReplicas") == 2)
    patch = {"spec": {"replicas": 4}}
    await retried(plane, patch)
    await plane.until(ENDPOINTS, lambda found: len(addresses(found)) == 4)
    assert len((await plane.client.list(PODS, "default")).items) == 4
    events = (await plane.client.list(EVENTS, "default")).items
    assert "SuccessfulDelete" not in {e["reason"] for e in events}, "there was never one too many"


async def retried(plane: ControlPlane, patch: Object) -> None:
    """Patch the Deployment as soon as the apiserver can be reached."""
    async with asyncio.timeout(10):
        while True:
            try:
                await plane.client.patch(DEPLOYMENTS, "web", "default", patch)
                return
            except StatusError as error:
                assert error.code == 503
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cluster-cidr", "nonsense"], "--cluster-cidr: 'nonsense' does not appear to be"),
        (["--node-cidr-mask-size", "16"], "--node-cidr-mask-size 16: must lie between 17 and 31"),
        (["--node-monitor-grace-period", "0"], "--node-monitor-grace-period: must be more than 0"),
    ],
)
async def test_bad_flags(tmp_path: Path, flags: list[str], message: str) -> None:
    tls = Authority(tmp_path).issue("x")
    with pytest.raises(UserError, match=message):
        await command.main(arguments("127.0.0.1:1", tls, *flags))
