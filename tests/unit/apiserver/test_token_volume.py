"""The volume with the token that admission adds to pods."""

from __future__ import annotations

import pytest

from podyard.api.resources import PODS, SERVICEACCOUNTS
from podyard.apiserver.admission.token_volume import MOUNT_PATH, mount_token, wants_token
from podyard.apiserver.registry import Object
from tests.unit.apiserver.registry_harness import Cluster, pod


@pytest.mark.parametrize(
    ("pod_says", "account_says", "expected"),
    [
        (None, None, True),
        (None, False, False),
        (None, True, True),
        (True, False, True),
        (False, None, False),
        (False, True, False),
    ],
)
def test_who_wants_one(pod_says: bool | None, account_says: bool | None, expected: bool) -> None:
    spec, account = (
        {} if said is None else {"automountServiceAccountToken": said} for said in (pod_says, account_says)
    )
    assert wants_token(spec, account) is expected


def test_without_an_account_yet() -> None:
    assert wants_token({}, None)


def paths(container: Object) -> list[tuple[str, str]]:
    return [(mount["name"][:16], mount["mountPath"]) for mount in container.get("volumeMounts", ())]


def test_every_container_that_has_nothing_there_gets_it() -> None:
    own = {"name": "own", "mountPath": MOUNT_PATH}
    data = {"name": "data", "mountPath": "/data"}
    spec: Object = {
        "volumes": [{"name": "own", "emptyDir": {}}],
        "initContainers": [{"name": "i"}],
        "containers": [{"name": "a", "volumeMounts": [data]}, {"name": "b", "volumeMounts": [own]}],
    }
    mount_token(spec)
    mine = ("kube-api-access-", MOUNT_PATH)
    assert paths(spec["initContainers"][0]) == [mine]
    assert paths(spec["containers"][0]) == [("data", "/data"), mine]
    assert paths(spec["containers"][1]) == [("own", MOUNT_PATH)]
    name = spec["volumes"][1]["name"]
    assert len(name) == len("kube-api-access-") + 5
    assert spec["containers"][0]["volumeMounts"][1]["name"] == name
    # What is there already, as in a pod that is made from another one's manifest, is used.
    spec["containers"].append({"name": "c"})
    mount_token(spec)
    assert len(spec["volumes"]) == 2
    assert spec["containers"][2]["volumeMounts"][0]["name"] == name


def test_no_volume_that_nobody_mounts() -> None:
    spec: Object = {"containers": [{"name": "a", "volumeMounts": [{"name": "x", "mountPath": MOUNT_PATH}]}]}
    mount_token(spec)
    assert "volumes" not in spec


async def test_a_new_pod(cluster: Cluster) -> None:
    spec = (await cluster.create(PODS, pod("p")))["spec"]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == (MOUNT_PATH, True)
    (volume,) = spec["volumes"]
    assert volume == {
        "name": mount["name"],
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "namespace",
                                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                            }
                        ]
                    }
                },
            ],
        },
    }
    await cluster.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}})


async def test_a_pod_whose_account_declines(cluster: Cluster) -> None:
    account = {"metadata": {"name": "robot"}, "automountServiceAccountToken": False}
    await cluster.create(SERVICEACCOUNTS, account)
    robot = pod("p")
    robot["spec"]["serviceAccountName"] = "robot"
    assert "volumes" not in (await cluster.create(PODS, robot))["spec"]
