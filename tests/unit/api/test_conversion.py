"""Conversion between served versions."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from podyard.api import schema
from podyard.api.conversion import convert

Object = dict[str, Any]
REF = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
KEY = "autoscaling.alpha.kubernetes.io/"


def hpa(
    version: str, spec: Object, status: Object | None = None, annotations: Object | None = None
) -> Object:
    obj: Object = {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": REF, "maxReplicas": 5, **spec},
    }
    if status is not None:
        obj["status"] = status
    if annotations is not None:
        obj["metadata"]["annotations"] = annotations
    return obj


def target(kind: str, field: str, value: Any) -> Object:
    return {"type": kind, field: value}


METRICS = [
    {
        "type": "Resource",
        "resource": {"name": "cpu", "target": target("AverageValue", "averageValue", "500m")},
    },
    {
        "type": "Resource",
        "resource": {"name": "memory", "target": target("Utilization", "averageUtilization", 50)},
    },
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "a",
            "target": target("Utilization", "averageUtilization", 50),
        },
    },
    {
        "type": "Pods",
        "pods": {
            "metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}},
            "target": target("AverageValue", "averageValue", "1k"),
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": REF,
            "metric": {"name": "hits"},
            "target": target("Value", "value", "10"),
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": REF,
            "metric": {"name": "hits"},
            "target": target("AverageValue", "averageValue", "10"),
        },
    },
    {
        "type": "External",
        "external": {"metric": {"name": "queue", "selector": {}}, "target": target("Value", "value", "30")},
    },
    {
        "type": "External",
        "external": {"metric": {"name": "queue"}, "target": target("AverageValue", "averageValue", "30")},
    },
]
STATUS = {
    "currentReplicas": 1,
    "desiredReplicas": 2,
    "conditions": [{"type": "AbleToScale", "status": "True"}],
    "currentMetrics": [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "current": {"averageValue": "10m", "averageUtilization": 7}},
        },
        {"type": "Pods", "pods": {"metric": {"name": "qps"}, "current": {"averageValue": "3"}}},
        {
            "type": "Object",
            "object": {"describedObject": REF, "metric": {"name": "h"}, "current": {"value": "1"}},
        },
        {"type": "External", "external": {"metric": {"name": "queue"}, "current": {"averageValue": "4"}}},
    ],
}
BEHAVIOR = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
    }
}


@pytest.mark.parametrize(
    "obj",
    [
        hpa("v2", {"minReplicas": 1, "metrics": [CPU]}),
        hpa("v2", {"metrics": [*METRICS, CPU]}),
        hpa("v2", {"metrics": METRICS, "behavior": BEHAVIOR}, STATUS, {"mine": "x"}),
        *[hpa("v2", {"metrics": [metric]}) for metric in METRICS],
        hpa("v1", {"targetCPUUtilizationPercentage": 70}, {"currentReplicas": 1, "desiredReplicas": 1}),
    ],
)
def test_hpa_survives_the_other_version(obj: Object) -> None:
    before = copy.deepcopy(obj)
    other = "autoscaling/v1" if obj["apiVersion"] == "autoscaling/v2" else "autoscaling/v2"
    converted = convert(obj, other)
    assert schema.check(other, "HorizontalPodAutoscaler", converted) == schema.Checked([], [])
    assert convert(converted, obj["apiVersion"]) == obj == before


def test_hpa_v1_has_cpu_in_fields_and_the_rest_in_annotations() -> None:
    found = convert(hpa("v2", {"metrics": [METRICS[1], CPU], "behavior": BEHAVIOR}, STATUS), "autoscaling/v1")
    assert found["spec"] == {"scaleTargetRef": REF, "maxReplicas": 5, "targetCPUUtilizationPercentage": 80}
    assert found["status"] == {
        "currentReplicas": 1,
        "desiredReplicas": 2,
        "currentCPUUtilizationPercentage": 7,
    }
    annotations = {key: json.loads(value) for key, value in found["metadata"]["annotations"].items()}
    assert annotations[f"{KEY}metrics"] == [
        {"type": "Resource", "resource": {"name": "memory", "targetAverageUtilization": 50}}
    ]
    assert annotations[f"{KEY}current-metrics"][1:3] == [
        {"type": "Pods", "pods": {"metricName": "qps", "currentAverageValue": "3"}},
        {"type": "Object", "object": {"target": REF, "metricName": "h", "currentValue": "1"}},
    ]
    assert annotations[f"{KEY}conditions"] == STATUS["conditions"]
    assert annotations[f"{KEY}behavior"]["ScaleUp"]["StabilizationWindowSeconds"] == 0


def test_hpa_v1_status_becomes_a_metric() -> None:
    found = convert(hpa("v1", {}, {"currentCPUUtilizationPercentage": 9}), "autoscaling/v2")
    assert found["status"]["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 9}}}
    ]


def test_a_broken_annotation_is_told() -> None:
    with pytest.raises(ValueError, match=r"autoscaling\.alpha\.kubernetes\.io/metrics"):
        convert(hpa("v1", {}, annotations={f"{KEY}metrics": "{"}), "autoscaling/v2")


CORE_EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e"},
    "involvedObject": {"kind": "Pod", "name": "p"},
    "message": "m",
    "reason": "R",
    "source": {"component": "kubelet", "host": "node1"},
    "firstTimestamp": "2023-11-14T22:13:20Z",
    "lastTimestamp": "2023-11-14T22:13:21Z",
    "count": 3,
    "type": "Normal",
    "reportingComponent": "kubelet",
    "reportingInstance": "node1",
    "eventTime": None,
}
NEW_EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e"},
    "regarding": {"kind": "Pod", "name": "p"},
    "note": "m",
    "reason": "R",
    "deprecatedSource": {"component": "kubelet", "host": "node1"},
    "deprecatedFirstTimestamp": "2023-11-14T22:13:20Z",
    "deprecatedLastTimestamp": "2023-11-14T22:13:21Z",
    "deprecatedCount": 3,
    "type": "Normal",
    "reportingController": "kubelet",
    "reportingInstance": "node1",
    "eventTime": None,
}


def test_event() -> None:
    assert convert(CORE_EVENT, "events.k8s.io/v1") == NEW_EVENT
    assert convert(NEW_EVENT, "v1") == CORE_EVENT
    assert schema.check("events.k8s.io/v1", "Event", NEW_EVENT) == schema.Checked([], [])


def test_the_same_version_is_the_same_object() -> None:
    assert convert(CORE_EVENT, "v1") is CORE_EVENT


def test_no_such_conversion() -> None:
    with pytest.raises(ValueError, match=r"converting \(v1.Pod\) to \(v2.Pod\): unknown conversion"):
        convert({"apiVersion": "v1", "kind": "Pod"}, "v2")
