"""ConfigMaps, Secrets, Endpoints, EndpointSlices, Nodes and the kinds that administer a cluster."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .conftest import RANGE, Refused, RefusedUpdate

IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NOT_A_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
RBAC = "rbac.authorization.k8s.io"
HOST = {"podCIDR": "127.244.1.0/24", "podCIDRs": ["127.244.1.0/24"], "providerID": "podyard://node1"}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def endpoint(**fields: Any) -> dict[str, Any]:
    return {"endpoints": [{"addresses": ["127.244.1.2"], **fields}]}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("ConfigMap", {"data": {"nginx.conf": "x"}, "binaryData": {"a": b64("x")}}, []),
    ("ConfigMap", {"data": {"a b": "x"}}, [f'data[a b]: Invalid value: "a b": {NOT_A_KEY}']),
    ("ConfigMap", {"data": {"..": "x"}}, ["data[..]: Invalid value: \"..\": must not be '..'"]),
    (
        "ConfigMap",
        {"data": {"a": "x"}, "binaryData": {"a": b64("x")}},
        ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    ),
    ("ConfigMap", {"data": {"a": "x" * 1048576}}, []),
    ("ConfigMap", {"data": {"a": "x" * 1048577}}, ["[]: Too long: may not be more than 1048576 bytes"]),
    ("Secret", {"data": {"a": b64("x" * 1048576)}}, []),
    ("Secret", {"data": {"a": b64("x" * 1048577)}}, ["data: Too long: may not be more than 1048576 bytes"]),
    ("Secret", {"type": "example.com/anything"}, []),
    (
        "Secret",
        {"type": "kubernetes.io/tls"},
        ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
    ),
    ("Secret", {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}, []),
    (
        "Secret",
        {"type": "kubernetes.io/basic-auth"},
        ["data[username]: Required value", "data[password]: Required value"],
    ),
    ("Secret", {"type": "kubernetes.io/basic-auth", "data": {"username": b64("a")}}, []),
    (
        "Secret",
        {"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}},
        ["data[ssh-privatekey]: Required value"],
    ),
    (
        "Secret",
        {"type": "kubernetes.io/service-account-token"},
        ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ),
    (
        "Secret",
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": b64("{}")}},
        [],
    ),
    # Loopback addresses are what podyard's pods have.
    ("Endpoints", {}, []),
    (
        "Endpoints",
        {"subsets": [{"ports": [{"port": 80}]}]},
        ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
    ),
    (
        "Endpoints",
        {"subsets": [{"addresses": [{"ip": "x"}], "ports": [{"port": 0}, {"port": 1, "name": "b"}]}]},
        [
            f'subsets[0].addresses[0].ip: Invalid value: "x": {IP}',
            "subsets[0].ports[0].name: Required value",
            f"subsets[0].ports[0].port: Invalid value: 0: {RANGE}",
        ],
    ),
    ("EndpointSlice", {}, []),
    ("EndpointSlice", {"addressType": "FQDN", **endpoint(addresses=["example.com"])}, []),
    (
        "EndpointSlice",
        {"addressType": None},
        ["addressType: Required value"],
    ),
    (
        "EndpointSlice",
        {"addressType": "IP"},
        ['addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"'],
    ),
    (
        "EndpointSlice",
        {"addressType": "IPv6"},
        ['endpoints[0].addresses[0]: Invalid value: "127.244.1.2": must be a valid IPv6 address'],
    ),
    (
        "EndpointSlice",
        endpoint(addresses=[]),
        ["endpoints[0].addresses: Required value: must contain at least 1 address"],
    ),
    (
        "EndpointSlice",
        endpoint(hostname="a.b"),
        ['endpoints[0].hostname: Invalid value: "a.b": must not contain dots'],
    ),
    (
        "EndpointSlice",
        {"endpoints": [{"addresses": ["127.244.1.2"]}] * 1001},
        ["endpoints: Too many: 1001: must have at most 1000 items"],
    ),
    ("EndpointSlice", {"ports": [{"port": 80}, {"port": 81}]}, ['ports[1].name: Duplicate value: ""']),
    ("Node", {"spec": HOST, "status": {"capacity": {"cpu": "2", "pods": "110"}}}, []),
    (
        "Node",
        {"spec": {"podCIDRs": ["x"]}, "status": {"capacity": {"pods": "1.5"}, "allocatable": {}}},
        [
            'status.capacity.pods: Invalid value: "1500m": must be an integer',
            'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or '
            "2001:db8::/64)",
        ],
    ),
    (
        "Node",
        {
            "spec": {
                "taints": [
                    {"key": "a", "effect": "NoExecute"},
                    {"key": "a", "effect": "NoExecute"},
                    {"key": "b"},
                ]
            }
        },
        [
            'metadata.taints[1]: Duplicate value: {"effect":"NoExecute","key":"a"}: taints must be '
            "unique by key "
            "and effect pair",
            "metadata.taints[2].effect: Required value",
        ],
    ),
    (
        "Namespace",
        {"spec": {"finalizers": ["mine"]}},
        [
            'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor '
            "is it fully "
            "qualified"
        ],
    ),
    ("Event", {"involvedObject": {"namespace": "default"}}, []),
    ("Event", {"involvedObject": {}}, []),
    (
        "Event",
        {"metadata": {"namespace": "other"}, "involvedObject": {"namespace": "default"}},
        ['involvedObject.namespace: Invalid value: "default": does not match event.namespace'],
    ),
    (
        "Lease",
        {"spec": {"leaseDurationSeconds": 0}},
        ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    ),
    (
        "PodDisruptionBudget",
        {"spec": {"minAvailable": 1, "maxUnavailable": 1}},
        [
            'spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: minAvailable and '
            "maxUnavailable cannot "
            "be both set"
        ],
    ),
    ("HorizontalPodAutoscaler", {}, []),
    (
        "HorizontalPodAutoscaler",
        {"spec": {"minReplicas": 4}},
        ["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
    ),
    ("Ingress", {}, []),
    (
        "Ingress",
        {"spec": {"defaultBackend": None}},
        ["spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified"],
    ),
    (
        "Ingress",
        {"spec": {"rules": [{"host": "127.0.0.1", "http": {"paths": [{"path": "x", "backend": {}}]}}]}},
        [
            'spec.rules[0].host: Invalid value: "127.0.0.1": must be a DNS name, not an IP address',
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
            'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
            'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
        ],
    ),
    (
        "NetworkPolicy",
        {"spec": {"ingress": [{"from": [{}], "ports": [{"port": 80, "endPort": 79}]}]}},
        [
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
            "spec.ingress[0].from[0]: Required value: must specify a peer",
        ],
    ),
    (
        "LimitRange",
        {"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}},
        [
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
            'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than '
            "default request "
            "value 1",
            'spec.limits[0].default[cpu]: Invalid value: "1": min value 2 is greater than default value 1',
        ],
    ),
    ("ResourceQuota", {"spec": {"hard": {"pods": "4", "requests.cpu": "1", "count/jobs.batch": "2"}}}, []),
    (
        "ResourceQuota",
        {"spec": {"hard": {"pods": "-1"}}},
        ['spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    ("PersistentVolumeClaim", {}, []),
    (
        "PersistentVolumeClaim",
        {"spec": {"accessModes": ["Often"], "resources": {"requests": None}}},
        [
            'spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", '
            '"ReadWriteMany", '
            '"ReadWriteOnce", "ReadWriteOncePod"',
            "spec.resources[storage]: Required value",
        ],
    ),
    (
        "RoleBinding",
        {"subjects": [{"kind": "User", "name": "ann"}, {"kind": "ServiceAccount", "name": "a"}]},
        [],
    ),
    (
        "RoleBinding",
        {"roleRef": {"kind": "Rule"}, "subjects": [{"kind": "Robot", "name": "a"}]},
        [
            'roleRef.kind: Unsupported value: "Rule": supported values: "ClusterRole", "Role"',
            'subjects[0].kind: Unsupported value: "Robot": supported values: "Group", '
            '"ServiceAccount", "User"',
        ],
    ),
    (
        "Role",
        {"rules": [{"apiGroups": [""], "resources": ["pods"]}]},
        ["rules[0].verbs: Required value: verbs must contain at least one value"],
    ),
    (
        "PriorityClass",
        {"value": 1000000001},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    ("StorageClass", {"provisioner": None}, ["provisioner: Required value"]),
    (
        "CustomResourceDefinition",
        {
            "metadata": {"name": "foos.example.com"},
            "spec": {"group": "example.com", "names": {"plural": "foos"}},
        },
        [],
    ),
    ("Binding", {"target": {"kind": "Node"}}, ["target.name: Required value"]),
    (
        "Binding",
        {"target": {"kind": "Rack", "name": "a"}},
        ['target.kind: Unsupported value: "Rack": supported values: "<empty>", "Node"'],
    ),
]


@pytest.mark.parametrize(("kind", "change", "expected"), CASES)
def test_refused(kind: str, change: dict[str, Any], expected: list[str], refused: Refused) -> None:
    assert refused(kind, change) == expected


IMMUTABLE = "field is immutable when `immutable` is set"
UPDATES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}, []),
    (
        "ConfigMap",
        {"data": {"a": "1"}, "immutable": True},
        {"data": {"a": "2"}, "immutable": None},
        [f"immutable: Forbidden: {IMMUTABLE}", f"data: Forbidden: {IMMUTABLE}"],
    ),
    (
        "Secret",
        {},
        {"type": "example.com/other"},
        ['type: Invalid value: "example.com/other": field is immutable'],
    ),
    ("EndpointSlice", {}, endpoint(conditions={"ready": True}), []),
    (
        "EndpointSlice",
        {},
        {"addressType": "FQDN", **endpoint(addresses=["example.com"])},
        ['addressType: Invalid value: "FQDN": field is immutable'],
    ),
    ("Node", {}, {"spec": HOST}, []),
    (
        "Node",
        {"spec": HOST},
        {"spec": {"podCIDR": "127.244.2.0/24", "podCIDRs": ["127.244.2.0/24"], "providerID": "x"}},
        [
            'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
            'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
        ],
    ),
    ("Node", {"spec": HOST}, {"spec": {"unschedulable": True}}, []),
    (
        "Node",
        {"spec": HOST},
        {"spec": {"podCIDR": "0.0.0.0/0"}},
        ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ),
    (
        "Node",
        {"spec": {"podCIDR": "127.244.1.0/24"}},
        {"spec": {"podCIDR": "127.244.2.0/24", "podCIDRs": ["127.244.2.0/24"]}},
        ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ),
    ("PriorityClass", {"value": 1}, {"value": 2}, ["value: Forbidden: may not be changed in an update."]),
    (
        "RoleBinding",
        {},
        {"roleRef": {"name": "writer"}},
        [
            f'roleRef: Invalid value: {{"apiGroup":"{RBAC}","kind":"Role","name":"writer"}}: cannot '
            "change roleRef"
        ],
    ),
    (
        "StorageClass",
        {},
        {"provisioner": "example.com/other"},
        ["provisioner: Forbidden: updates to provisioner are forbidden."],
    ),
    ("PersistentVolumeClaim", {}, {"spec": {"volumeName": "disk"}}, []),
    (
        "PersistentVolumeClaim",
        {},
        {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
        [
            "spec: Forbidden: spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        ],
    ),
]


@pytest.mark.parametrize(("kind", "before", "change", "expected"), UPDATES)
def test_update(
    kind: str,
    before: dict[str, Any],
    change: dict[str, Any],
    expected: list[str],
    refused_update: RefusedUpdate,
) -> None:
    assert refused_update(kind, before, change) == expected
