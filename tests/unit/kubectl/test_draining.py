"""Which pods leave a node that is drained."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubectl.draining import DAEMON_SETS, LOCAL_STORAGE, UNMANAGED, Rules, Verdict, judge, plan

NOW = 1_700_000_000.0
GOES, STAYS = Verdict(True), Verdict(False)
EMPTY_DIR = [{"name": "v", "emptyDir": {}}]


def pod(name: str = "p", controller: str = "", phase: str = "Running", **more: Any) -> dict[str, Any]:
    owners = [{"kind": controller, "name": "c", "controller": True}] if controller else []
    metadata = {"name": name, "namespace": "ns", "ownerReferences": owners, **more.pop("metadata", {})}
    return {"metadata": metadata, "spec": more, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("one", "rules", "verdict"),
    [
        (pod(controller="ReplicaSet"), Rules(), GOES),
        (pod(), Rules(), Verdict(False, problem=UNMANAGED)),
        (pod(), Rules(force=True), Verdict(True, warning="deleting Pods that declare no controller")),
        (pod(phase="Succeeded"), Rules(), GOES),
        (pod(controller="DaemonSet"), Rules(), Verdict(False, problem=DAEMON_SETS)),
        (pod(controller="DaemonSet"), Rules(force=True), Verdict(False, problem=DAEMON_SETS)),
        (
            pod(controller="DaemonSet"),
            Rules(ignore_daemon_sets=True),
            Verdict(False, warning="ignoring DaemonSet-managed Pods"),
        ),
        (pod(controller="DaemonSet", phase="Failed"), Rules(), GOES),
        (pod(controller="ReplicaSet", volumes=EMPTY_DIR), Rules(), Verdict(False, problem=LOCAL_STORAGE)),
        (pod(controller="ReplicaSet", volumes=EMPTY_DIR), Rules(delete_local_storage=True), GOES),
        (pod(controller="ReplicaSet", volumes=EMPTY_DIR, phase="Failed"), Rules(), GOES),
        (pod(controller="ReplicaSet", volumes=[{"name": "v", "secret": {}}]), Rules(), GOES),
        (pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), Rules(force=True), STAYS),
        (
            pod(controller="Job", metadata={"deletionTimestamp": "2023-11-14T22:13:00Z"}),
            Rules(skip_deleted=10),
            STAYS,
        ),
        (
            pod(controller="Job", metadata={"deletionTimestamp": "2023-11-14T22:13:15Z"}),
            Rules(skip_deleted=10),
            GOES,
        ),
    ],
)
def test_one_pod(one: dict[str, Any], rules: Rules, verdict: Verdict) -> None:
    assert judge(one, rules, NOW) == verdict


def test_a_node() -> None:
    pods = [pod("a"), pod("b", "DaemonSet"), pod("c", "ReplicaSet"), pod("d")]
    refused = plan(pods, Rules(), NOW)
    assert refused.problems == [
        "cannot delete Pods that declare no controller (use --force to override): ns/a, ns/d",
        "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ns/b",
    ]
    forced = plan(pods, Rules(force=True, ignore_daemon_sets=True), NOW)
    assert [p["metadata"]["name"] for p in forced.pods] == ["a", "c", "d"]
    assert forced.warnings == (
        "deleting Pods that declare no controller: ns/a, ns/d; ignoring DaemonSet-managed Pods: ns/b"
    )
    assert forced.problems == []
