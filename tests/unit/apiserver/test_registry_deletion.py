"""Deleting: at once, with grace, with finalizers; namespaces; bindings and evictions."""

from __future__ import annotations

import asyncio

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    BINDINGS,
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
)
from podyard.apiserver.registry import Object
from tests.unit.apiserver.registry_harness import (
    Cluster,
    config_map,
    deployment,
    pod,
    refusal,
    take,
)


async def test_a_delete_answers_with_a_status(cluster: Cluster) -> None:
    made = await cluster.create(DEPLOYMENTS, deployment("a"))
    assert await cluster.delete(DEPLOYMENTS, "a") == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": "a",
            "group": "apps",
            "kind": "deployments",
            "uid": made["metadata"]["uid"],
        },
    }
    assert await refusal(cluster.delete(DEPLOYMENTS, "a")) == (404, 'deployments.apps "a" not found')


@pytest.mark.parametrize("key", ["uid", "resourceVersion"])
async def test_preconditions(cluster: Cluster, key: str) -> None:
    made = await cluster.create(CONFIGMAPS, config_map("a"))
    code, message = await refusal(cluster.delete(CONFIGMAPS, "a", preconditions={key: "x"}))
    assert (code, "in precondition: x, " in message) == (409, True)
    await cluster.delete(CONFIGMAPS, "a", preconditions={key: made["metadata"][key]})
    assert not await cluster.exists(CONFIGMAPS, "a")


async def test_a_pod_that_no_node_has_goes_at_once(cluster: Cluster) -> None:
    await cluster.create(PODS, pod("p"))
    gone = await cluster.delete(PODS, "p")
    assert (gone["kind"], gone["metadata"]["name"]) == ("Pod", "p")
    assert not await cluster.exists(PODS, "p")


async def test_a_bound_pod_is_given_its_grace(cluster: Cluster) -> None:
    await cluster.create(PODS, pod("p", node="n"))
    watch = cluster.registry.watch(PODS, "", resource_version="2")
    dying = (await cluster.delete(PODS, "p"))["metadata"]
    assert dying["deletionTimestamp"] == "2023-11-14T22:13:50Z"
    assert (dying["deletionGracePeriodSeconds"], dying["generation"]) == (30, 2)
    cluster.clock.advance(5)
    again = (await cluster.delete(PODS, "p"))["metadata"]
    assert again == dying, "deleting again changes nothing"
    longer = (await cluster.delete(PODS, "p", gracePeriodSeconds=60))["metadata"]
    assert longer == dying, "it cannot be given longer"
    shorter = (await cluster.delete(PODS, "p", gracePeriodSeconds=10))["metadata"]
    assert shorter["deletionTimestamp"] == "2023-11-14T22:13:30Z"
    await cluster.delete(PODS, "p", gracePeriodSeconds=0)
    assert not await cluster.exists(PODS, "p")
    assert [kind for kind, _ in await take(watch, 3)] == ["MODIFIED", "MODIFIED", "DELETED"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_has_ended_needs_no_grace(cluster: Cluster, phase: str) -> None:
    await cluster.create(PODS, pod("p", node="n"))
    await cluster.patch(PODS, "p", {"status": {"phase": phase}}, subresource="status")
    await cluster.delete(PODS, "p")
    assert not await cluster.exists(PODS, "p")


async def test_finalizers_keep_an_object(cluster: Cluster) -> None:
    await cluster.create(CONFIGMAPS, config_map("a", finalizers=["example.com/x", "example.com/y"]))
    kept = await cluster.delete(CONFIGMAPS, "a")
    assert kept["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    assert kept["metadata"]["deletionGracePeriodSeconds"] == 0
    assert await cluster.delete(CONFIGMAPS, "a") == kept
    await cluster.patch(CONFIGMAPS, "a", {"metadata": {"finalizers": ["example.com/y"]}})
    assert await cluster.exists(CONFIGMAPS, "a")
    revived = await cluster.patch(CONFIGMAPS, "a", {"metadata": {"deletionTimestamp": None}})
    assert "deletionTimestamp" in revived["metadata"], "nobody comes back from the dead"
    watch = cluster.registry.watch(CONFIGMAPS, "", resource_version=revived["metadata"]["resourceVersion"])
    await cluster.patch(CONFIGMAPS, "a", {"metadata": {"finalizers": None}})
    assert not await cluster.exists(CONFIGMAPS, "a")
    assert await take(watch, 1) == [("DELETED", "a")]


@pytest.mark.parametrize(
    ("how", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"orphanDependents": True}, ["orphan"]),
        ({"propagationPolicy": "Background"}, None),
        ({"orphanDependents": False}, None),
        ({}, None),
    ],
)
async def test_what_becomes_of_dependents(
    cluster: Cluster, how: Object, finalizers: list[str] | None
) -> None:
    await cluster.create(DEPLOYMENTS, deployment("a"))
    await cluster.delete(DEPLOYMENTS, "a", **how)
    if finalizers is None:
        assert not await cluster.exists(DEPLOYMENTS, "a")
    else:
        metadata = (await cluster.get(DEPLOYMENTS, "a"))["metadata"]
        assert metadata["finalizers"] == finalizers
        assert (metadata["generation"], "deletionTimestamp" in metadata) == (2, True)


async def test_an_unknown_policy(cluster: Cluster) -> None:
    await cluster.create(DEPLOYMENTS, deployment("a"))
    code, message = await refusal(cluster.delete(DEPLOYMENTS, "a", propagationPolicy="Sideways"))
    assert code == 422
    assert message.endswith('supported values: "Background", "Foreground", "Orphan"')
    both = cluster.delete(DEPLOYMENTS, "a", propagationPolicy="Orphan", orphanDependents=True)
    code, message = await refusal(both)
    assert code == 422
    assert message.endswith("orphanDependents and deletionPropagation cannot be both set")


async def test_a_namespace_terminates_until_it_is_finalized(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, {"metadata": {"name": "a"}})
    going = await cluster.delete(NAMESPACES, "a")
    assert going["status"]["phase"] == "Terminating"
    assert "deletionGracePeriodSeconds" not in going["metadata"]
    code, message = await refusal(cluster.create(CONFIGMAPS, config_map("x", namespace="a")))
    assert (code, message) == (
        403,
        'configmaps "x" is forbidden: unable to create new content in namespace a because it is being '
        "terminated",
    )
    kept = await cluster.patch(NAMESPACES, "a", {"spec": {"finalizers": []}})
    assert kept["spec"]["finalizers"] == ["kubernetes"], "only through the sub-resource"
    await cluster.update(NAMESPACES, {**going, "spec": {}}, subresource="finalize")
    assert not await cluster.exists(NAMESPACES, "a")


async def test_some_namespaces_stay(cluster: Cluster) -> None:
    assert await refusal(cluster.delete(NAMESPACES, "default")) == (
        403,
        'namespaces "default" is forbidden: this namespace may not be deleted',
    )


async def test_a_collection(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        await cluster.create(CONFIGMAPS, config_map(name, labels={"go": str(name != "b").lower()}))
    listed = await cluster.registry.delete_collection(
        CONFIGMAPS, "default", {}, cluster.options(), label_selector="go=true"
    )
    assert [item.name for item in listed.items] == ["a", "c"]
    assert await cluster.names(CONFIGMAPS) == ["b"]


def binding(name: str, node: str = "n1") -> Object:
    return {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}


async def test_binding(cluster: Cluster) -> None:
    await cluster.create(PODS, pod("p"))
    options = cluster.options()
    done = await cluster.registry.create(
        PODS, "default", binding("p"), options, name="p", subresource="binding"
    )
    assert done.decode()["status"] == "Success"
    bound = await cluster.get(PODS, "p")
    assert bound["spec"]["nodeName"] == "n1"
    (condition,) = bound["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    again = cluster.registry.create(BINDINGS, "default", binding("p", "n2"), options)
    assert await refusal(again) == (
        409,
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    )
    absent = cluster.registry.create(BINDINGS, "default", binding("q"), options)
    assert await refusal(absent) == (404, 'pods "q" not found')


async def evict(cluster: Cluster, name: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await cluster.registry.create(
        PODS, "default", eviction, cluster.options(), name=name, subresource="eviction"
    )


async def make_budget(cluster: Cluster, **spec: object) -> None:
    selected = {"selector": {"matchLabels": {"app": "a"}}, **spec}
    await cluster.create(PODDISRUPTIONBUDGETS, {"metadata": {"name": "b"}, "spec": selected})


async def make_pods(cluster: Cluster, *names: str, phase: str = "Running", ready: bool = True) -> None:
    """Pods of the budget's on a node."""
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    for name in names:
        await cluster.create(PODS, pod(name, node="n", labels={"app": "a"}))
        await cluster.patch(PODS, name, {"status": status}, subresource="status")


async def test_eviction_honours_disruption_budgets(cluster: Cluster) -> None:
    await make_budget(cluster, minAvailable=2)
    await make_pods(cluster, "p", "q", "r")
    await evict(cluster, "p")
    assert "deletionTimestamp" in (await cluster.get(PODS, "p"))["metadata"]
    assert await refusal(evict(cluster, "q")) == (
        429,
        "Cannot evict pod as it would violate the pod's disruption budget.",
    )
    assert "deletionTimestamp" not in (await cluster.get(PODS, "q"))["metadata"]


async def test_evictions_at_the_same_time_share_a_budget(cluster: Cluster) -> None:
    names = ("p", "q", "r")
    await make_budget(cluster, minAvailable=2)
    await make_pods(cluster, *names)
    results = await asyncio.gather(*(evict(cluster, name) for name in names), return_exceptions=True)
    codes = [result.code if isinstance(result, StatusError) else result for result in results]
    assert codes == [None, 429, 429]
    going = ["deletionTimestamp" in (await cluster.get(PODS, name))["metadata"] for name in names]
    assert going == [True, False, False]


@pytest.mark.parametrize(("policy", "goes"), [("IfHealthyBudget", False), ("AlwaysAllow", True)])
async def test_eviction_of_a_pod_that_is_not_ready(cluster: Cluster, policy: str, goes: bool) -> None:
    await make_budget(cluster, minAvailable=2, unhealthyPodEvictionPolicy=policy)
    await make_pods(cluster, "healthy")
    await make_pods(cluster, "p", "q", ready=False)
    await make_pods(cluster, "pending", phase="Pending", ready=False)
    if goes:
        await evict(cluster, "p")
    else:
        assert (await refusal(evict(cluster, "p")))[0] == 429
    await evict(cluster, "pending")  # whatever the budget says


async def test_a_budget_that_nobody_can_work_out_lets_nothing_go(cluster: Cluster) -> None:
    async def why() -> list[str]:
        with pytest.raises(StatusError) as error:
            await evict(cluster, "p")
        assert error.value.code == 429
        return [cause["message"] for cause in error.value.status["details"]["causes"]]

    await make_budget(cluster, maxUnavailable=1)
    await make_pods(cluster, "p", "q")
    assert await why() == ["The disruption budget b does not allow evicting pods currently"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "gone", "uid": "1", "controller": True}
    await cluster.patch(PODS, "p", {"metadata": {"ownerReferences": [owner]}})
    assert await why() == [
        "The disruption budget b does not allow evicting pods currently because it failed sync: "
        'found no controllers for pod "p"'
    ]


async def test_a_budget_counts_the_pods_that_their_owner_wants(cluster: Cluster) -> None:
    made = await cluster.create(REPLICASETS, {**deployment("a", 3), "kind": "ReplicaSet"})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": made["metadata"]["uid"]}
    await make_budget(cluster, maxUnavailable=1)
    await make_pods(cluster, "p", "q")
    references = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
    for name in ("p", "q"):
        await cluster.patch(PODS, name, references)
    assert (await refusal(evict(cluster, "p")))[0] == 429, "the third is missing as it is"
    await cluster.patch(REPLICASETS, "a", {"spec": {"replicas": 2}})
    await evict(cluster, "p")
