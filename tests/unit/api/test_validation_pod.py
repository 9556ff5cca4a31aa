"""Pods: containers, ports, volumes and placing."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import RANGE, Refused, container

LABEL = "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'"
NOT_A_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    f"and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', {LABEL})"
)


def with_volumes(volumes: list[dict[str, Any]], mounts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"volumes": volumes, **container(volumeMounts=mounts)}


LINUX: dict[str, Any] = {"os": {"name": "linux"}}

GOOD: list[dict[str, Any]] = [
    {},
    {**container(lifecycle={"stopSignal": "SIGRTMIN+3"}), **LINUX},
    container(image="/usr/bin/python3"),
    container(
        env=[
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]
    ),
    container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]),
    container(
        env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}]
    ),
    container(
        resources={
            "requests": {"cpu": "250m", "example.com/gpu": 1},
            "limits": {"cpu": 1, "example.com/gpu": "1"},
        }
    ),
    container(
        livenessProbe={"tcpSocket": {"port": "http"}},
        readinessProbe={"grpc": {"port": 80}, "successThreshold": 2},
    ),
    with_volumes([{"name": "data", "emptyDir": {}}], [{"name": "data", "mountPath": "/data"}]),
    with_volumes([{"name": "data"}], [{"name": "data", "mountPath": "/data"}]),
    {"hostNetwork": True, **container(ports=[{"containerPort": 80}])},
    {
        "initContainers": [
            {
                "name": "sidecar",
                "image": "busybox",
                "restartPolicy": "Always",
                "livenessProbe": {"exec": {"command": ["true"]}},
            }
        ]
    },
    {"tolerations": [{"operator": "Exists"}, {"key": "a", "effect": "NoExecute", "tolerationSeconds": 3}]},
    {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["foo.local"]}], "hostname": "web", "subdomain": "sub"},
]


@pytest.mark.parametrize("spec", GOOD)
def test_good(spec: dict[str, Any], refused: Refused) -> None:
    assert refused("Pod", {"spec": spec}) == []


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"containers": None}, ["spec.containers: Required value"]),
    ({"containers": [{"name": "web"}]}, ["spec.containers[0].image: Required value"]),
    ({"containers": [{"image": "nginx"}]}, ["spec.containers[0].name: Required value"]),
    (
        {"containers": [{"name": "A_b", "image": "n"}]},
        [f'spec.containers[0].name: Invalid value: "A_b": {NOT_A_LABEL}'],
    ),
    ({"containers": [{"name": "a", "image": "n"}] * 2}, ['spec.containers[1].name: Duplicate value: "a"']),
    (
        container(image=" nginx"),
        ['spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'],
    ),
    (
        {"restartPolicy": "Foo"},
        ['spec.restartPolicy: Unsupported value: "Foo": supported values: "Always", "Never", "OnFailure"'],
    ),
    (
        container(imagePullPolicy="Sometimes"),
        [
            'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: '
            '"Always", "IfNotPresent", "Never"'
        ],
    ),
    (
        {"dnsPolicy": "Foo"},
        [
            'spec.dnsPolicy: Unsupported value: "Foo": supported values: "ClusterFirst", '
            '"ClusterFirstWithHostNet", "Default", "None"'
        ],
    ),
    (
        {"dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"dnsConfig": {"nameservers": ["x"]}},
        [
            'spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP address, (e.g. '
            "10.9.8.7 or 2001:db8::ffff)"
        ],
    ),
    # Ports.
    (
        container(ports=[{"containerPort": 70000}]),
        [f"spec.containers[0].ports[0].containerPort: Invalid value: 70000: {RANGE}"],
    ),
    (container(ports=[{"name": "http"}]), ["spec.containers[0].ports[0].containerPort: Required value"]),
    (
        container(ports=[{"containerPort": 80, "protocol": "HTTP"}]),
        [
            'spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: '
            '"SCTP", "TCP", "UDP"'
        ],
    ),
    (
        container(ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]),
        ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
    ),
    (
        container(ports=[{"containerPort": 80, "name": "80"}]),
        ['spec.containers[0].ports[0].name: Invalid value: "80": must contain at least one letter (a-z)'],
    ),
    (
        container(ports=[{"containerPort": 80, "hostPort": 1}, {"containerPort": 81, "hostPort": 1}]),
        ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//1"'],
    ),
    (
        {"hostNetwork": True, **container(ports=[{"containerPort": 80, "hostPort": 81}])},
        [
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` "
            "when `hostNetwork` is true"
        ],
    ),
    # Volumes.
    (
        with_volumes([], [{"name": "x", "mountPath": "/x"}]),
        ['spec.containers[0].volumeMounts[0].name: Not found: "x"'],
    ),
    (
        with_volumes(
            [{"name": "x"}],
            [{"name": "x", "mountPath": "/x"}, {"name": "x", "mountPath": "/x"}, {"name": "x"}],
        ),
        [
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
            "spec.containers[0].volumeMounts[2].mountPath: Required value",
        ],
    ),
    (
        {"volumes": [{"name": "x", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    ({"volumes": [{"name": "x"}, {"name": "x"}]}, ['spec.volumes[1].name: Duplicate value: "x"']),
    ({"volumes": [{"emptyDir": {}}]}, ["spec.volumes[0].name: Required value"]),
    ({"volumes": [{"name": "x", "secret": {}}]}, ["spec.volumes[0].secret.secretName: Required value"]),
    (
        {
            "volumes": [
                {
                    "name": "x",
                    "configMap": {"name": "c", "items": [{"key": "k", "path": "../p"}], "defaultMode": 512},
                }
            ]
        },
        [
            "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 "
            "and 0777 (octal), both inclusive",
            "spec.volumes[0].configMap.items[0].path: Invalid value: \"../p\": must not contain '..'",
        ],
    ),
    # Init containers.
    (
        {"initContainers": [{"name": "web", "image": "b"}]},
        ['spec.initContainers[0].name: Duplicate value: "web"'],
    ),
    (
        {"initContainers": [{"name": "i", "image": "b", "readinessProbe": {"exec": {"command": ["a"]}}}]},
        [
            "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers "
            "without restartPolicy=Always"
        ],
    ),
    (
        {"ephemeralContainers": [{"name": "e", "image": "b"}]},
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    ),
    # Placing.
    (
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        [
            'spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` '
            "is 'Exists'"
        ],
    ),
    (
        {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]},
        [
            "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' "
            "when `tolerationSeconds` is set"
        ],
    ),
    (
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
        [
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
            "Required value: must have at least one node selector term"
        ],
    ),
    (
        {
            "affinity": {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 0, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                }
            }
        },
        [
            "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
            "Invalid value: 0: must be in the range 1-100"
        ],
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Never"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": '
            "supported values: "
            '"DoNotSchedule", "ScheduleAnyway"',
        ],
    ),
    (
        {
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ]
            * 2
        },
        [
            "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "
            '"{zone, DoNotSchedule}"'
        ],
    ),
    ({"hostname": "a.b"}, ['spec.hostname: Invalid value: "a.b": must not contain dots']),
    (
        {"activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    (
        {"nodeName": "node1", "schedulingGates": [{"name": "example.com/wait"}]},
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    (
        {"securityContext": {"runAsUser": -1}},
        ["spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 4294967295, inclusive"],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), CASES)
def test_refused(spec: dict[str, Any], expected: list[str], refused: Refused) -> None:
    assert refused("Pod", {"spec": spec}) == expected
