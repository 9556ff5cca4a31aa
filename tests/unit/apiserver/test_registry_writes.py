"""Creating and changing objects: identity, versions, sub-resources, validation, dry runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    find,
)
from podyard.apiserver.registry import Object
from tests.support.certificates import encoded_certificate, encoded_request
from tests.unit.apiserver.registry_harness import (
    JSON,
    STRATEGIC,
    Cluster,
    cluster_in,
    config_map,
    deployment,
    pod,
    refusal,
)

ONE, TWO, SIX = "10.244.1.0/24", "10.244.2.0/24", "fd00::/64"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_in(tmp_path) as cluster:
        yield cluster


async def test_a_new_object_gets_its_identity(cluster: Cluster) -> None:
    obj = config_map("a", uid="mine", generation=7, managedFields=[], deletionGracePeriodSeconds=3)
    made = (await cluster.create(CONFIGMAPS, obj))["metadata"]
    assert made["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert re.fullmatch("[0-9a-f-]{36}", made["uid"])
    assert made["namespace"] == "default"
    assert not {"generation", "managedFields", "deletionGracePeriodSeconds"} & made.keys()
    assert (await cluster.get(CONFIGMAPS, "a"))["metadata"] == made


async def test_generated_names(cluster: Cluster) -> None:
    made = [await cluster.create(CONFIGMAPS, {"metadata": {"generateName": "c-"}}) for _ in range(3)]
    assert all(re.fullmatch("c-[bcdfghjklmnpqrstvwxz2456789]{5}", obj["metadata"]["name"]) for obj in made)


async def test_a_generated_name_that_is_taken_is_made_anew(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["c-x", "c-x", "c-x", "c-y"])
    monkeypatch.setattr("podyard.apiserver.registry.metadata.generate_name", lambda prefix: next(names))
    for expected in ("c-x", "c-y"):
        obj = await cluster.create(CONFIGMAPS, {"metadata": {"generateName": "c-"}})
        assert obj["metadata"]["name"] == expected


async def test_what_is_there_cannot_be_created_again(cluster: Cluster) -> None:
    await cluster.create(CONFIGMAPS, config_map("a"))
    assert await refusal(cluster.create(CONFIGMAPS, config_map("a"))) == (
        409,
        'configmaps "a" already exists',
    )


async def test_objects_of_other_namespaces_and_of_none(cluster: Cluster) -> None:
    options = cluster.options()
    other = config_map("a", namespace="other")
    code, message = await refusal(cluster.registry.create(CONFIGMAPS, "default", other, options))
    assert (code, message) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )
    assert await refusal(cluster.registry.create(CONFIGMAPS, "", config_map("a"), options)) == (
        400,
        "an empty namespace may not be set during creation",
    )
    assert await refusal(cluster.create(CONFIGMAPS, other)) == (404, 'namespaces "other" not found')


UNKNOWN: Object = {"metadata": {"name": "a"}, "date": {"x": "y"}, "immutible": True}


async def test_unknown_fields_by_field_validation(cluster: Cluster) -> None:
    assert await refusal(cluster.create(CONFIGMAPS, dict(UNKNOWN))) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        'unknown field "date", unknown field "immutible"',
    )
    options = cluster.options("Warn")
    made = await cluster.create(CONFIGMAPS, dict(UNKNOWN), options)
    assert options.warnings == ['unknown field "date"', 'unknown field "immutible"']
    assert not {"date", "immutible"} & made.keys()
    options = cluster.options("Ignore")
    await cluster.patch(CONFIGMAPS, "a", {"date": {}}, options=options)
    assert options.warnings == []


async def test_wrong_types(cluster: Cluster) -> None:
    assert await refusal(cluster.create(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"x": 1}})) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
    )
    assert (await refusal(cluster.create(CONFIGMAPS, {"kind": "Secret", "metadata": {"name": "a"}})))[
        0
    ] == 400
    assert (await refusal(cluster.create(CONFIGMAPS, {"apiVersion": "v2", "metadata": {"name": "a"}})))[
        0
    ] == 400


async def test_an_invalid_object_is_not_stored(cluster: Cluster) -> None:
    code, message = await refusal(cluster.create(CONFIGMAPS, config_map("A_b")))
    assert code == 422
    assert message.startswith('ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": ')
    assert await cluster.names(CONFIGMAPS) == []


async def test_an_update_of_an_older_version_is_a_conflict(cluster: Cluster) -> None:
    made = await cluster.create(CONFIGMAPS, config_map("a"))
    await cluster.update(CONFIGMAPS, {**made, "data": {"k": "1"}})
    assert await refusal(cluster.update(CONFIGMAPS, {**made, "data": {"k": "2"}})) == (
        409,
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your '
        "changes to the latest version and try again",
    )
    without = await cluster.update(CONFIGMAPS, {**config_map("a"), "data": {"k": "3"}})
    assert without["data"] == {"k": "3"}
    assert without["metadata"]["uid"] == made["metadata"]["uid"]


async def test_an_update_of_another_uid_is_a_conflict(cluster: Cluster) -> None:
    made = await cluster.create(CONFIGMAPS, config_map("a"))
    code, message = await refusal(cluster.update(CONFIGMAPS, config_map("a", uid="old")))
    assert code == 409
    uid = made["metadata"]["uid"]
    assert message.endswith(f"Precondition failed: UID in precondition: old, UID in object meta: {uid}")


async def test_only_one_of_many_updates_of_one_version_wins(cluster: Cluster) -> None:
    made = await cluster.create(CONFIGMAPS, config_map("a"))
    results = await asyncio.gather(
        *(cluster.update(CONFIGMAPS, {**made, "data": {"n": str(n)}}) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert {result.code for result in results if isinstance(result, StatusError)} == {409}


async def test_patches_at_once_are_all_applied(cluster: Cluster) -> None:
    await cluster.create(CONFIGMAPS, config_map("a"))
    await asyncio.gather(*(cluster.patch(CONFIGMAPS, "a", {"data": {f"k{n}": "v"}}) for n in range(20)))
    assert len((await cluster.get(CONFIGMAPS, "a"))["data"]) == 20


async def test_an_update_that_changes_nothing_writes_nothing(cluster: Cluster) -> None:
    made = await cluster.create(DEPLOYMENTS, deployment("a"))
    assert await cluster.update(DEPLOYMENTS, made) == made
    assert await cluster.update(DEPLOYMENTS, deployment("a")) == made
    assert await cluster.patch(DEPLOYMENTS, "a", {"metadata": {"annotations": {}}}) == made


async def test_the_three_patches(cluster: Cluster) -> None:
    await cluster.create(DEPLOYMENTS, deployment("a"))
    container = {"name": "c", "image": "nginx:1.25"}
    changed = await cluster.patch(
        DEPLOYMENTS, "a", {"spec": {"template": {"spec": {"containers": [container]}}}}, STRATEGIC
    )
    containers = changed["spec"]["template"]["spec"]["containers"]
    assert [(c["name"], c["image"], c["imagePullPolicy"]) for c in containers] == [
        ("c", "nginx:1.25", "Always")
    ]
    changed = await cluster.patch(
        DEPLOYMENTS, "a", [{"op": "replace", "path": "/spec/replicas", "value": 5}], JSON
    )
    assert changed["spec"]["replicas"] == 5
    changed = await cluster.patch(DEPLOYMENTS, "a", {"spec": {"replicas": None}})
    assert changed["spec"]["replicas"] == 1, "the default"


@pytest.mark.parametrize(
    ("content_type", "patch", "code"),
    [
        ("application/apply-patch+yaml", {}, 415),
        (JSON, [{"op": "test", "path": "/data/k", "value": "x"}], 422),
        (JSON, {"not": "a list"}, 400),
        ("application/merge-patch+json", {"metadata": {"name": "b"}}, 400),
        ("application/merge-patch+json", {"metadata": {"resourceVersion": "1"}}, 409),
        ("application/merge-patch+json", {"data": 3}, 422),
        ("application/merge-patch+json", {"dato": {}}, 422),
        ("application/merge-patch+json", {"kind": "Secret"}, 422),
        ("application/strategic-merge-patch+json", {"apiVersion": "v2"}, 422),
        (JSON, [{"op": "replace", "path": "/kind", "value": 5}], 422),
    ],
)
async def test_patches_that_are_refused(cluster: Cluster, content_type: str, patch: Any, code: int) -> None:
    made = await cluster.create(CONFIGMAPS, config_map("a"))
    assert (await refusal(cluster.patch(CONFIGMAPS, "a", patch, content_type)))[0] == code
    assert await cluster.get(CONFIGMAPS, "a") == made


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        ("application/merge-patch+json", {"kind": None, "apiVersion": None}),
        (JSON, [{"op": "remove", "path": "/kind"}, {"op": "remove", "path": "/apiVersion"}]),
    ],
)
async def test_a_patch_that_takes_the_kind_away_is_for_nothing(
    cluster: Cluster, content_type: str, patch: Any
) -> None:
    made = await cluster.create(CONFIGMAPS, config_map("a"))
    assert await cluster.patch(CONFIGMAPS, "a", patch, content_type) == made


async def test_the_generation_counts_changes_of_spec(cluster: Cluster) -> None:
    made = await cluster.create(DEPLOYMENTS, {**deployment("a"), "status": {"replicas": 9}})
    assert (made["metadata"]["generation"], made["status"]) == (1, {})
    labelled = await cluster.patch(DEPLOYMENTS, "a", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    scaled = await cluster.patch(DEPLOYMENTS, "a", {"spec": {"replicas": 3}, "status": {"replicas": 9}})
    assert (scaled["metadata"]["generation"], scaled["status"]) == (2, {})


async def test_a_status_update_changes_the_status_alone(cluster: Cluster) -> None:
    made = await cluster.create(DEPLOYMENTS, deployment("a"))
    new = {**made, "status": {"replicas": 1}, "spec": {**made["spec"], "replicas": 7}}
    changed = await cluster.update(DEPLOYMENTS, new, subresource="status")
    assert (changed["status"], changed["spec"]) == ({"replicas": 1}, made["spec"])
    assert changed["metadata"]["generation"] == 1
    patched = await cluster.patch(
        DEPLOYMENTS, "a", {"status": {"readyReplicas": 1}, "spec": {"replicas": 8}}, subresource="status"
    )
    assert patched["status"] == {"replicas": 1, "readyReplicas": 1}
    assert patched["spec"] == made["spec"]


async def test_a_node_comes_with_its_status(cluster: Cluster) -> None:
    node = {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "2"}}}
    assert (await cluster.create(NODES, node))["status"]["capacity"] == {"cpu": "2"}


@pytest.mark.parametrize(
    ("spec", "both"),
    [
        ({}, (None, None)),
        ({"podCIDR": ONE}, (ONE, [ONE])),
        ({"podCIDRs": [ONE, SIX]}, (ONE, [ONE, SIX])),
        ({"podCIDR": ONE, "podCIDRs": [ONE, SIX]}, (ONE, [ONE, SIX])),
        ({"podCIDR": TWO, "podCIDRs": [ONE, SIX]}, (TWO, [TWO])),
    ],
)
async def test_a_node_has_one_pod_network(cluster: Cluster, spec: Object, both: tuple[Any, Any]) -> None:
    """The older field is the first of the newer one, and is what counts."""
    made = (await cluster.create(NODES, {"metadata": {"name": "n"}, "spec": spec}))["spec"]
    assert (made.get("podCIDR"), made.get("podCIDRs")) == both
    if spec:
        for change in (
            {"podCIDR": "10.244.9.0/24"},
            {"podCIDR": "0.0.0.0/0"},
            {"podCIDR": None, "podCIDRs": ["0.0.0.0/0"]},
            {"podCIDRs": [made["podCIDR"], "fd00:1::/64"]},
        ):
            with pytest.raises(StatusError, match="node updates may not change podCIDR") as caught:
                await cluster.patch(NODES, "n", {"spec": change})
            assert caught.value.code == 422
        assert (await cluster.patch(NODES, "n", {"spec": {"podCIDR": None}}))["spec"] == made
    await cluster.create(NODES, {"metadata": {"name": "late"}})
    given = await cluster.patch(NODES, "late", {"spec": {"podCIDR": TWO}})
    assert given["spec"] == {"podCIDR": TWO, "podCIDRs": [TWO]}


async def test_scale(cluster: Cluster) -> None:
    await cluster.create(DEPLOYMENTS, deployment("a", 2))
    scale = await cluster.get(DEPLOYMENTS, "a", subresource="scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "app=a")
    scale["spec"]["replicas"] = 4
    scaled = await cluster.update(DEPLOYMENTS, scale, subresource="scale")
    assert scaled["spec"] == {"replicas": 4}
    obj = await cluster.get(DEPLOYMENTS, "a")
    assert (obj["spec"]["replicas"], obj["metadata"]["generation"]) == (4, 2)
    assert (await refusal(cluster.update(DEPLOYMENTS, scale, subresource="scale")))[0] == 409
    patched = await cluster.patch(DEPLOYMENTS, "a", {"spec": {"replicas": 0}}, subresource="scale")
    assert patched["spec"] == {"replicas": 0}
    negative = cluster.patch(DEPLOYMENTS, "a", {"spec": {"replicas": -1}}, subresource="scale")
    assert await refusal(negative) == (
        422,
        'Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0",
    )


async def test_a_put_creates_only_where_kubernetes_lets_it(cluster: Cluster) -> None:
    assert await refusal(cluster.update(CONFIGMAPS, config_map("a"))) == (404, 'configmaps "a" not found')
    lease = {"metadata": {"name": "l", "namespace": "default"}, "spec": {"holderIdentity": "me"}}
    stored, created = await cluster.registry.update(LEASES, "default", "l", lease, cluster.options())
    assert created
    stored, created = await cluster.registry.update(
        LEASES, "default", "l", stored.decode(), cluster.options()
    )
    assert not created
    code, message = await refusal(cluster.update(LEASES, {"metadata": {"name": "l"}}))
    assert (
        code,
        "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in message,
    ) == (
        422,
        True,
    )


async def test_a_dry_run_stores_nothing(cluster: Cluster) -> None:
    dry = cluster.options(dry_run=True)
    made = await cluster.create(DEPLOYMENTS, deployment("a"), dry)
    assert made["metadata"]["uid"] and "resourceVersion" not in made["metadata"]
    assert made["spec"]["strategy"]["type"] == "RollingUpdate"
    assert await cluster.names(DEPLOYMENTS) == []
    real = await cluster.create(DEPLOYMENTS, deployment("a"))
    changed = await cluster.patch(DEPLOYMENTS, "a", {"spec": {"replicas": 9}}, options=dry)
    assert changed["spec"]["replicas"] == 9
    await cluster.delete(DEPLOYMENTS, "a", dry_run=True)
    assert await cluster.get(DEPLOYMENTS, "a") == real


async def test_a_secrets_string_data_is_merged(cluster: Cluster) -> None:
    made = await cluster.create(
        SECRETS, {"metadata": {"name": "s"}, "data": {"a": "Yg=="}, "stringData": {"a": "c", "d": "e"}}
    )
    assert made["data"] == {"a": "Yw==", "d": "ZQ=="}
    assert "stringData" not in made


async def test_a_namespace_has_its_label_phase_and_finalizer(cluster: Cluster) -> None:
    made = await cluster.get(NAMESPACES, "default")
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "default"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    changed = await cluster.patch(NAMESPACES, "default", {"metadata": {"labels": None}, "spec": None})
    assert changed == made


async def test_a_job_selects_its_own_pods(cluster: Cluster) -> None:
    jobs = find("batch", "v1", "jobs")
    assert jobs
    spec = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}
    made = await cluster.create(jobs, {"metadata": {"name": "j"}, "spec": {"template": {"spec": spec}}})
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert (labels["job-name"], labels["batch.kubernetes.io/controller-uid"]) == ("j", uid)


async def test_a_signing_request_is_of_who_makes_it(cluster: Cluster) -> None:
    requests = find("certificates.k8s.io", "v1", "certificatesigningrequests")
    assert requests
    request = encoded_request("x")
    spec = {"request": request, "signerName": "example.com/x", "usages": ["client auth"], "username": "root"}
    made = await cluster.create(requests, {"metadata": {"name": "r"}, "spec": spec})
    assert (made["spec"]["username"], made["spec"]["groups"]) == (
        "alice",
        ["developers", "system:authenticated"],
    )
    condition = {"type": "Approved", "status": "True", "reason": "x"}
    approved = await cluster.update(
        requests,
        {**made, "status": {"conditions": [condition], "certificate": "eA=="}},
        subresource="approval",
    )
    times = dict.fromkeys(("lastTransitionTime", "lastUpdateTime"), approved["metadata"]["creationTimestamp"])
    assert approved["status"] == {"conditions": [{**condition, **times}]}
    denied = {"type": "Denied", "status": "True"}
    for conditions, why in (
        ([condition, denied], "Approved and Denied conditions are mutually exclusive"),
        ([denied], 'updates may not remove a condition of type "Approved"'),
    ):
        with pytest.raises(StatusError, match=why):
            await cluster.update(
                requests, {**approved, "status": {"conditions": conditions}}, subresource="approval"
            )
    signed = await cluster.update(
        requests, {**approved, "status": {"certificate": encoded_certificate()}}, subresource="status"
    )
    assert signed["status"]["conditions"] == approved["status"]["conditions"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"request": "eA=="}, "spec.request: Invalid value: .*PEM block type must be CERTIFICATE REQUEST"),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["fun"]}, r'spec.usages\[0\]: Unsupported value: "fun"'),
        ({"signerName": "x"}, "must be a fully qualified domain and path of the form"),
        ({"expirationSeconds": 599}, "may not specify a duration less than 600 seconds"),
    ],
)
async def test_wrong_signing_requests(cluster: Cluster, change: Object, why: str) -> None:
    requests = find("certificates.k8s.io", "v1", "certificatesigningrequests")
    assert requests
    spec = {"request": encoded_request("x"), "signerName": "a.io/x", "usages": ["client auth"], **change}
    with pytest.raises(StatusError, match=why):
        await cluster.create(requests, {"metadata": {"name": "r"}, "spec": spec})


async def test_nobody_becomes_an_administrator_by_a_certificate(cluster: Cluster) -> None:
    requests = find("certificates.k8s.io", "v1", "certificatesigningrequests")
    assert requests
    signer = "kubernetes.io/kube-apiserver-client"
    spec = {
        "request": encoded_request("x", "system:masters"),
        "signerName": signer,
        "usages": ["client auth"],
    }
    with pytest.raises(StatusError, match="with system:masters group is not allowed") as caught:
        await cluster.create(requests, {"metadata": {"name": "r"}, "spec": spec})
    assert caught.value.code == 403


async def test_horizontal_autoscalers_are_stored_in_one_version(cluster: Cluster) -> None:
    old, new = (find("autoscaling", version, "horizontalpodautoscalers") for version in ("v1", "v2"))
    assert old and new
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
    }
    made = await cluster.create(old, {"metadata": {"name": "h"}, "spec": spec})
    assert (made["apiVersion"], made["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 50)
    stored = await cluster.get(new, "h")
    assert stored["apiVersion"] == "autoscaling/v2"
    assert stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    patched = await cluster.patch(old, "h", {"spec": {"targetCPUUtilizationPercentage": 70}})
    assert patched["spec"]["targetCPUUtilizationPercentage"] == 70


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
