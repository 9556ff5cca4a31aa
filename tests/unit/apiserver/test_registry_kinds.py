"""What single kinds have of their own: nodes, namespaces, Secrets, Jobs, signing requests, autoscalers."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    NAMESPACES,
    NODES,
    SECRETS,
    find,
)
from podyard.apiserver.registry import Object
from tests.support.certificates import encoded_certificate, encoded_request
from tests.unit.apiserver.registry_harness import (
    Cluster,
)

ONE, TWO, SIX = "10.244.1.0/24", "10.244.2.0/24", "fd00::/64"


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
