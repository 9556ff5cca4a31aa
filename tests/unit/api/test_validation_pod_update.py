"""What may change of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import RefusedUpdate, container

NOT_OTHER = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
    "to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
    "negative)\n"
)
TOLERATION = {"key": "a", "operator": "Exists"}
UPDATES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, container(image="nginx:1.25", imagePullPolicy="Always"), []),
    ({}, {"activeDeadlineSeconds": 5}, []),
    ({"terminationGracePeriodSeconds": -1}, {"terminationGracePeriodSeconds": 1}, []),
    ({"tolerations": [TOLERATION]}, {"tolerations": [TOLERATION, {"key": "b", "operator": "Exists"}]}, []),
    ({"schedulingGates": [{"name": "a"}]}, {"schedulingGates": [], "nodeSelector": {"zone": "a"}}, []),
    (
        {"activeDeadlineSeconds": 5},
        {"activeDeadlineSeconds": 6},
        ["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
    ),
    (
        {"tolerations": [TOLERATION]},
        {"tolerations": []},
        ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
    ),
    (
        {},
        {"schedulingGates": [{"name": "a"}]},
        [
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new "
            "scheduling gate 'a'"
        ],
    ),
    (
        {},
        {"containers": [{"name": "web", "image": "nginx"}, {"name": "b", "image": "b"}]},
        ["spec.containers: Forbidden: pod updates may not add or remove containers"],
    ),
    ({}, {"restartPolicy": "Never"}, [NOT_OTHER + '- \trestartPolicy: "Always"\n+ \trestartPolicy: "Never"']),
    ({}, container(command=["sh"]), [NOT_OTHER + '+ \tcontainers[0].command: ["sh"]']),
    ({}, {"nodeSelector": {"zone": "a"}}, [NOT_OTHER + '+ \tnodeSelector: {"zone":"a"}']),
]


@pytest.mark.parametrize(("before", "change", "expected"), UPDATES)
def test_update(
    before: dict[str, Any], change: dict[str, Any], expected: list[str], refused_update: RefusedUpdate
) -> None:
    assert refused_update("Pod", {"spec": before}, {"spec": change}) == expected


def test_labels_and_status_may_change(refused_update: RefusedUpdate) -> None:
    change = {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Running"}}
    assert refused_update("Pod", {}, change) == []
