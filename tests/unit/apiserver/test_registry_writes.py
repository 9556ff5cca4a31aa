"""Creating and changing objects: identity, versions, sub-resources, validation, dry runs."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    LEASES,
)
from podyard.apiserver.registry import Object
from tests.unit.apiserver.registry_harness import (
    JSON,
    STRATEGIC,
    Cluster,
    config_map,
    deployment,
    refusal,
)

ONE, TWO, SIX = "10.244.1.0/24", "10.244.2.0/24", "fd00::/64"


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
