"""Pods as `kubectl get pods -o wide` shows them."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.resources import PODS
from podyard.api.times import to_rfc3339
from podyard.apiserver.table.render import table

NOW = 1_700_000_000.0
Object = dict[str, Any]


def ago(seconds: float) -> str:
    return to_rfc3339(NOW - seconds)


def running(name: str = "c", *, ready: bool = True, restarts: int = 0, finished: str = "") -> Object:
    last = {"terminated": {"finishedAt": finished, "exitCode": 1}} if finished else {}
    return {
        "name": name,
        "ready": ready,
        "restartCount": restarts,
        "state": {"running": {"startedAt": ago(1)}},
        "lastState": last,
    }


def waiting(reason: str, name: str = "c") -> Object:
    return {"name": name, "ready": False, "restartCount": 0, "state": {"waiting": {"reason": reason}}}


def ended(code: int = 0, name: str = "c", **more: Any) -> Object:
    return {
        "name": name,
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": {"exitCode": code, **more}},
    }


def pod(
    phase: str,
    *containers: Object,
    init: tuple[Object, ...] = (),
    sidecars: tuple[str, ...] = (),
    conditions: tuple[tuple[str, str], ...] = (),
    deleted: bool = False,
    **status: Any,
) -> Object:
    metadata: Object = {"name": "p", "creationTimestamp": ago(90)}
    if deleted:
        metadata["deletionTimestamp"] = ago(1)
    return {
        "metadata": metadata,
        "spec": {
            "containers": [{"name": c["name"]} for c in containers] or [{"name": "c"}],
            "initContainers": [
                {"name": c["name"], **({"restartPolicy": "Always"} if c["name"] in sidecars else {})}
                for c in init
            ],
        },
        "status": {
            "phase": phase,
            "containerStatuses": list(containers),
            "initContainerStatuses": list(init),
            "conditions": [{"type": kind, "status": value} for kind, value in conditions],
            **status,
        },
    }


COMPLETED = ended(name="a", reason="Completed")


def cells(obj: Object) -> list[Any]:
    row: list[Any] = table(PODS, [obj], {}, "v1", now=NOW)["rows"][0]["cells"]
    return row


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (pod("Pending"), "0/1", "Pending"),
        (pod("Running", running()), "1/1", "Running"),
        (pod("Running", running(ready=False)), "0/1", "Running"),
        (pod("Running", running("a"), waiting("CrashLoopBackOff", "b")), "1/2", "CrashLoopBackOff"),
        (pod("Pending", waiting("ContainerCreating")), "0/1", "ContainerCreating"),
        (pod("Pending", waiting("ImagePullBackOff")), "0/1", "ImagePullBackOff"),
        (pod("Succeeded", ended(reason="Completed")), "0/1", "Completed"),
        (pod("Failed", ended(1, reason="Error")), "0/1", "Error"),
        (pod("Failed", ended(137)), "0/1", "ExitCode:137"),
        (pod("Failed", ended(137, signal=9)), "0/1", "Signal:9"),
        (pod("Failed", reason="Evicted"), "0/1", "Evicted"),
        (pod("Running", running(), deleted=True), "1/1", "Terminating"),
        (pod("Succeeded", ended(reason="Completed"), deleted=True), "0/1", "Completed"),
        (pod("Running", running(), deleted=True, reason="NodeLost"), "1/1", "Unknown"),
        (
            pod(
                "Running", ended(name="a", reason="Completed"), running("b"), conditions=(("Ready", "True"),)
            ),
            "1/2",
            "Running",
        ),
        (pod("Running", COMPLETED, running("b")), "1/2", "NotReady"),
        (
            pod(
                "Pending", waiting("PodInitializing"), init=(ended(name="i"), waiting("PodInitializing", "j"))
            ),
            "0/1",
            "Init:1/2",
        ),
        (pod("Pending", init=(waiting("ErrImagePull", "i"),)), "0/1", "Init:ErrImagePull"),
        (pod("Pending", init=(ended(2, "i", reason="Error"),)), "0/1", "Init:Error"),
        (pod("Pending", init=(ended(2, "i"),)), "0/1", "Init:ExitCode:2"),
        (
            pod("Running", running(), init=({**running("s"), "started": True},), sidecars=("s",)),
            "2/2",
            "Running",
        ),
    ],
)
def test_ready_and_status(obj: Object, ready: str, status: str) -> None:
    assert cells(obj)[:3] == ["p", ready, status]


def test_gated() -> None:
    obj = pod("Pending")
    obj["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    assert cells(obj)[2] == "SchedulingGated"


@pytest.mark.parametrize(
    ("containers", "restarts"),
    [
        ((running(),), "0"),
        ((running(restarts=2),), "2"),
        ((running(restarts=2, finished=ago(10)),), "2 (10s ago)"),
        (
            (running("a", restarts=2, finished=ago(600)), running("b", restarts=1, finished=ago(60))),
            "3 (60s ago)",
        ),
    ],
)
def test_restarts(containers: tuple[Object, ...], restarts: str) -> None:
    assert cells(pod("Running", *containers))[3] == restarts


def test_wide_columns() -> None:
    assert cells(pod("Pending"))[4:] == ["90s", "<none>", "<none>", "<none>", "<none>"]
    obj = pod("Running", running(), podIPs=[{"ip": "127.244.1.2"}], nominatedNodeName="n2")
    obj["spec"]["nodeName"] = "n1"
    obj["spec"]["readinessGates"] = [{"conditionType": "a"}, {"conditionType": "b"}]
    obj["status"]["conditions"] = [{"type": "a", "status": "True"}]
    assert cells(obj)[4:] == ["90s", "127.244.1.2", "n1", "n2", "1/2"]


def test_ended_pods_are_marked() -> None:
    rows = table(PODS, [pod("Succeeded"), pod("Running")], {}, "v1", now=NOW)["rows"]
    assert rows[0]["conditions"][0]["type"] == "Completed"
    assert "conditions" not in rows[1]


def test_columns() -> None:
    columns = table(PODS, [], {}, "v1")["columnDefinitions"]
    assert [(c["name"], c["priority"]) for c in columns] == [
        ("Name", 0),
        ("Ready", 0),
        ("Status", 0),
        ("Restarts", 0),
        ("Age", 0),
        ("IP", 1),
        ("Node", 1),
        ("Nominated Node", 1),
        ("Readiness Gates", 1),
    ]
    assert (columns[0]["type"], columns[0]["format"]) == ("string", "name")
