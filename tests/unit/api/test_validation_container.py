"""Containers: environment, resources, probes and hooks."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import RANGE, Refused, container

CASES: list[tuple[dict[str, Any], list[str]]] = [
    # Environment.
    (container(env=[{"value": "1"}]), ["spec.containers[0].env[0].name: Required value"]),
    (
        container(env=[{"name": "A=B"}]),
        [
            'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name '
            "must consist "
            "only of printable ASCII characters other than '='"
        ],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {}}]),
        [
            'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
            "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        ],
    ),
    (
        container(
            env=[{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
        ),
        [
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when '
            "`value` is not empty"
        ],
    ),
    (
        container(
            env=[
                {
                    "name": "A",
                    "valueFrom": {
                        "secretKeyRef": {"name": "s", "key": "k"},
                        "fieldRef": {"fieldPath": "metadata.name"},
                    },
                }
            ]
        ),
        [
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one '
            "field specified at a time"
        ],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}}]),
        ["spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Required value"],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]),
        [
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "
            '"status.phase": supported '
            'values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", '
            '"spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
        ],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}]),
        [
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": '
            "error converting "
            "fieldPath: field label not supported: spec.foo"
        ],
    ),
    (
        container(
            env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]
        ),
        [
            'spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only '
            "divisor's values 1m and 1 are supported with the cpu resource"
        ],
    ),
    (
        container(envFrom=[{}]),
        ['spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ),
    # Resources.
    (
        container(resources={"requests": {"cpu": 2}, "limits": {"cpu": "1000m"}}),
        [
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal '
            "to cpu limit of 1"
        ],
    ),
    (
        container(resources={"limits": {"memory": "-1Mi"}}),
        [
            f'spec.containers[0].resources.{kind}[memory]: Invalid value: "-1Mi": must be greater '
            "than or equal to 0"
            for kind in ("limits", "requests")
        ],
    ),
    (
        container(resources={"requests": {"foo": "1"}}),
        [
            'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard '
            "resource type or fully qualified",
            'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard '
            "resource for containers",
        ],
    ),
    (
        container(resources={"requests": {"example.com/gpu": "1"}}),
        [
            "spec.containers[0].resources.limits: Required value: Limit must be set for non "
            "overcommitable resources"
        ],
    ),
    # Probes and hooks.
    (
        container(livenessProbe={}),
        ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
    ),
    (
        container(readinessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
        ["spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        container(livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2}),
        ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
    ),
    (
        container(startupProbe={"httpGet": {"port": 0, "scheme": "FTP"}, "periodSeconds": -1}),
        [
            f"spec.containers[0].startupProbe.httpGet.port: Invalid value: 0: {RANGE}",
            'spec.containers[0].startupProbe.httpGet.scheme: Unsupported value: "FTP": supported '
            'values: "HTTP", "HTTPS"',
            "spec.containers[0].startupProbe.periodSeconds: Invalid value: -1: must be greater than "
            "or equal to 0",
        ],
    ),
    (
        container(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
        [
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and "
            "less than "
            "terminationGracePeriodSeconds (30)"
        ],
    ),
    (
        container(lifecycle={"stopSignal": "SIGINT"}),
        [
            "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty "
            "`spec.os.name`"
        ],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), CASES)
def test_refused(spec: dict[str, Any], expected: list[str], refused: Refused) -> None:
    assert refused("Pod", {"spec": spec}) == expected


def test_an_unknown_stop_signal(refused: Refused) -> None:
    spec = {"os": {"name": "linux"}, **container(lifecycle={"stopSignal": "TERM"})}
    (error,) = refused("Pod", {"spec": spec})
    assert error.startswith(
        'spec.containers[0].lifecycle.stopSignal: Unsupported value: "TERM": supported values: "SIGABRT", '
    )
