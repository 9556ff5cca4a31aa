"""What users are told of the isolation that a node's pods have or lack."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubelet.isolation import TOKEN_PATH, node_condition, pod_warning, unmounted
from podyard.kubelet.runtime import Features, Mount
from tests.unit.kubelet.pods import pod

REFUSED = Features(mount_problem="unshare: operation not permitted", pid_problem="the same")
NO_PIDS = Features(pid_problem="mount proc at /proc: operation not permitted")


@pytest.mark.parametrize(
    ("features", "status", "reason", "text"),
    [
        (Features(), "True", "NamespacesAvailable", "by root"),
        (Features(user=True), "True", "NamespacesAvailable", "by user namespaces of an ordinary user"),
        (REFUSED, "False", "NamespacesRefused", "not mounted: unshare: operation not permitted"),
        (
            NO_PIDS,
            "False",
            "PIDNamespaceRefused",
            "process ids: mount proc at /proc: operation not permitted",
        ),
    ],
)
def test_the_nodes_condition(features: Features, status: str, reason: str, text: str) -> None:
    found = node_condition(features)
    assert found[:3] == ("SandboxIsolated", status, reason)
    assert text in found[3]


@pytest.mark.parametrize(
    ("features", "spec", "text"),
    [
        (Features(), {}, ""),
        (REFUSED, {}, "The pod runs without a sandbox: it shares the node's file system, process ids"),
        (REFUSED, {"hostPID": True}, "unshare: operation not permitted"),
        (NO_PIDS, {}, "The pod shares the node's process ids: mount proc"),
        (NO_PIDS, {"hostPID": True}, ""),
    ],
)
def test_what_a_pod_is_warned_of(features: Features, spec: dict[str, Any], text: str) -> None:
    subject = pod()
    subject["spec"] |= spec
    warning = pod_warning(subject, features)
    assert text in warning
    assert bool(warning) == bool(text)


def test_which_volumes_are_not_where_they_should_be() -> None:
    mounts = [Mount("/pod/ssl", "/etc/nginx/ssl", True), Mount("/pod/token", TOKEN_PATH, True)]
    assert unmounted(mounts, Features()) == ""
    assert unmounted(mounts[1:], REFUSED) == ""
    assert unmounted(mounts, REFUSED) == (
        "Volumes are not mounted at /etc/nginx/ssl (its files are in /pod/ssl): "
        "unshare: operation not permitted"
    )
