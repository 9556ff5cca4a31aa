"""Strategic merge patches, as `kubectl patch`, `apply`, `edit` and `set image` send them.

The results were compared with those of `kubectl patch --local`.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podyard.api.patch import PatchError, strategic_merge_patch

Object = dict[str, Any]


def pod(**spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def spec_of(obj: Object, patch: Object) -> Any:
    return strategic_merge_patch("v1", "Pod", obj, {"spec": patch})["spec"]


A, B, C = ({"name": name, "image": "i"} for name in "abc")
PORTS = {
    "name": "a",
    "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 443, "name": "https"}],
}


@pytest.mark.parametrize(
    ("spec", "patch", "result"),
    [
        # maps and scalars
        ({"nodeName": "x"}, {"nodeName": "y"}, {"nodeName": "y"}),
        ({"nodeName": "x"}, {"nodeName": None}, {}),
        ({}, {"nodeName": None}, {}),
        (
            {"nodeSelector": {"a": "1", "b": "2"}},
            {"nodeSelector": {"a": None, "c": "3"}},
            {"nodeSelector": {"b": "2", "c": "3"}},
        ),
        (
            {"nodeSelector": {"a": "1"}},
            {"nodeSelector": {"$patch": "replace", "c": "3"}},
            {"nodeSelector": {"c": "3"}},
        ),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "delete"}}, {"nodeSelector": {}}),
        ({}, {"nodeSelector": {"$patch": "delete"}}, {}),
        ({}, {"nodeSelector": {"a": "1", "b": None}}, {"nodeSelector": {"a": "1"}}),
        # lists that are replaced whole
        (
            {"tolerations": [{"key": "a"}, {"key": "b"}]},
            {"tolerations": [{"key": "c"}]},
            {"tolerations": [{"key": "c"}]},
        ),
        # lists with a merge key
        (
            {"containers": [A, B]},
            {"containers": [{"name": "b", "image": "j"}]},
            {"containers": [{"name": "b", "image": "j"}, A][::-1]},
        ),
        ({"containers": [A, B]}, {"containers": [C]}, {"containers": [C, A, B]}),
        ({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [B]}),
        ({"containers": [A, B]}, {"containers": [C, {"$patch": "replace"}]}, {"containers": [C]}),
        ({"containers": [A, B]}, {"containers": [{"$patch": "replace"}]}, {"containers": []}),
        ({"containers": [A]}, {"containers": []}, {"containers": [A]}),
        ({"containers": [A]}, {"containers": None}, {}),
        ({}, {"containers": [A, {"name": "b", "$patch": "delete"}]}, {"containers": [A]}),
        (
            {"containers": [A]},
            {"containers": [{"name": "b", "image": None, "env": [{"name": "X", "$patch": "delete"}]}]},
            {"containers": [{"name": "b", "env": []}, A]},
        ),
        (
            {"containers": [PORTS]},
            {"containers": [{"name": "a", "ports": [{"containerPort": 443, "name": "tls"}]}]},
            {
                "containers": [
                    {"name": "a", "ports": [PORTS["ports"][0], {"containerPort": 443, "name": "tls"}]}
                ]
            },
        ),
        (
            {"containers": [{"name": "a", "command": ["x", "y"]}]},
            {"containers": [{"name": "a", "command": ["z"]}]},
            {"containers": [{"name": "a", "command": ["z"]}]},
        ),
        # order
        (
            {"containers": [A, B, C]},
            {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
            {"containers": [B, C, A]},
        ),
        (
            {"containers": [A, B]},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}], "containers": [C]},
            {"containers": [B, C, A]},
        ),
        (
            {"containers": [A, B]},
            {
                "$setElementOrder/containers": [{"name": "a"}],
                "containers": [{"name": "b", "$patch": "delete"}],
            },
            {"containers": [A]},
        ),
        (
            {},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [B, A]},
            {"containers": [B, A]},
        ),
        ({}, {"$setElementOrder/containers": [{"name": "b"}]}, {}),
        # exclusive fields
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]},
            {"volumes": [{"name": "v", "emptyDir": {}}]},
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "w", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]},
            {"volumes": [{"name": "w", "emptyDir": {}}, {"name": "v", "hostPath": {"path": "/x"}}]},
        ),
    ],
)
def test_pod(spec: Object, patch: Object, result: Object) -> None:
    obj = pod(**spec)
    before = copy.deepcopy((obj, patch))
    assert spec_of(obj, patch) == result
    assert (obj, patch) == before


@pytest.mark.parametrize(
    ("finalizers", "patch", "result"),
    [
        (["a", "b"], {"finalizers": ["c", "a"]}, ["c", "a", "b"]),
        (["a", "b", "c"], {"$deleteFromPrimitiveList/finalizers": ["b", "x"]}, ["a", "c"]),
        (["a", "b"], {"$setElementOrder/finalizers": ["b", "a"]}, ["b", "a"]),
        (
            ["a", "b"],
            {
                "$setElementOrder/finalizers": ["c", "b"],
                "finalizers": ["c"],
                "$deleteFromPrimitiveList/finalizers": ["a"],
            },
            ["c", "b"],
        ),
        (None, {"$deleteFromPrimitiveList/finalizers": ["b"]}, None),
        (["a"], {"finalizers": None}, None),
    ],
)
def test_lists_of_scalars_are_sets(finalizers: Any, patch: Object, result: Any) -> None:
    obj = pod()
    if finalizers is not None:
        obj["metadata"]["finalizers"] = finalizers
    assert (
        strategic_merge_patch("v1", "Pod", obj, {"metadata": patch})["metadata"].get("finalizers") == result
    )


def test_what_kubectl_set_image_sends() -> None:
    obj = {
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"name": "my-nginx", "image": "nginx", "ports": [{"containerPort": 80}]}]
                }
            }
        }
    }
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "my-nginx"}],
                    "containers": [{"image": "nginx:1.25", "name": "my-nginx"}],
                }
            }
        }
    }
    found = strategic_merge_patch("apps/v1", "Deployment", obj, patch)
    assert found["spec"]["template"]["spec"]["containers"] == [
        {"name": "my-nginx", "image": "nginx:1.25", "ports": [{"containerPort": 80}]}
    ]


def test_service_ports_are_merged_by_port() -> None:
    obj = {"spec": {"ports": [{"port": 80, "nodePort": 30080}, {"port": 443}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    assert strategic_merge_patch("v1", "Service", obj, patch)["spec"]["ports"] == [
        {"port": 80, "nodePort": 30080, "targetPort": 8080},
        {"port": 443},
    ]


def test_the_replace_strategy() -> None:
    obj = {"spec": {"selector": {"matchLabels": {"a": "1"}}}}
    patch = {"spec": {"selector": {"matchLabels": {"b": "2"}}}}
    assert strategic_merge_patch("policy/v1", "PodDisruptionBudget", obj, patch) == patch


def test_a_kind_without_definition_has_no_keyed_lists() -> None:
    obj = {"spec": {"containers": [A], "a": {"b": 1}}}
    found = strategic_merge_patch(
        "example.com/v1", "Thing", obj, {"spec": {"containers": [B], "a": {"c": 2}}}
    )
    assert found == {"spec": {"containers": [B], "a": {"b": 1, "c": 2}}}


@pytest.mark.parametrize(
    ("patch", "message", "code"),
    [
        ({"nodeSelector": {"$patch": "bogus"}}, "unknown patch type: bogus in map: map[$patch:bogus]", 422),
        (
            {"containers": [{"image": "i"}]},
            "map: map[image:i] does not contain declared merge key: name",
            422,
        ),
        (
            {"containers": [{"$patch": "delete"}]},
            "map: map[$patch:delete] does not contain declared merge key: name",
            422,
        ),
        ({"containers": [{"$patch": "merge"}]}, "merging lists cannot yet be specified in the patch", 422),
        (
            {"containers": [{"$patch": "x", "name": "a"}]},
            "unknown patch type: x in map: map[$patch:x name:a]",
            422,
        ),
        ({"containers": ["a"]}, "list element types are not identical: [[map[image:i name:a]] [a]]", 422),
        ({"containers": [[]]}, "lists of lists are not supported", 422),
        ({"containers": [{"name": {}}]}, "expected a string, but received a map[string]interface {}", 422),
        ({"$setElementOrder/containers": "a"}, "invalid patch format of setElementOrder list", 400),
        (
            {"$setElementOrder/containers": [{"name": "a"}], "containers": "x"},
            "invalid patch format of setElementOrder list",
            400,
        ),
        (
            {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [B, A]},
            "The order in patch list:\n[map[image:i name:b] map[image:i name:a]]\n doesn't match "
            "$setElementOrder list:\n[map[name:a] map[name:b]]\n",
            422,
        ),
        (
            {"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]},
            "invalid patch format of retainKeys",
            400,
        ),
        ({"volumes": [{"name": "v", "$retainKeys": "name"}]}, "invalid patch format of retainKeys", 400),
    ],
)
def test_bad_patches(patch: Object, message: str, code: int) -> None:
    obj = pod(containers=[A], volumes=[{"name": "v"}], nodeSelector={"a": "1"})
    with pytest.raises(PatchError) as caught:
        spec_of(obj, patch)
    assert (str(caught.value), caught.value.code) == (message, code)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "invalid JSON document"),
        (
            {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
            "invalid patch format of primitive list",
        ),
    ],
)
def test_malformed_patches(patch: Any, message: str) -> None:
    with pytest.raises(PatchError, match=message) as caught:
        strategic_merge_patch("v1", "Pod", pod(), patch)
    assert caught.value.code == 400
