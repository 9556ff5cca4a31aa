"""The other kinds as `kubectl get -o wide` shows them."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.resources import RESOURCES, Resource, find
from podyard.api.times import to_rfc3339
from podyard.apiserver.table.render import PRINTERS, table

NOW = 1_700_000_000.0
CREATED = to_rfc3339(NOW - 300)
SELECTOR = {"matchLabels": {"b": "2", "a": "1"}}
TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "nginx"}, {"name": "d", "image": "busybox"}]}}


def resource_of(key: str) -> Resource:
    group_version, _, plural = key.rpartition("/")
    group, _, version = group_version.rpartition("/")
    found = find(group, version, plural)
    assert found is not None
    return found


def cells(key: str, **fields: Any) -> list[Any]:
    obj = {"metadata": {"name": "x", "creationTimestamp": CREATED, **fields.pop("metadata", {})}, **fields}
    row: list[Any] = table(resource_of(key), [obj], {}, "v1", now=NOW)["rows"][0]["cells"]
    return row


def addresses(*ips: str) -> list[dict[str, str]]:
    return [{"ip": ip} for ip in ips]


def condition(kind: str, status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status}


@pytest.mark.parametrize(
    ("key", "fields", "expected"),
    [
        ("v1/namespaces", {"status": {"phase": "Active"}}, ["x", "Active", "5m"]),
        (
            "apps/v1/deployments",
            {
                "spec": {"replicas": 3, "selector": SELECTOR, "template": TEMPLATE},
                "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
            },
            ["x", "1/3", 2, 1, "5m", "c,d", "nginx,busybox", "a=1,b=2"],
        ),
        (
            "apps/v1/replicasets",
            {"spec": {"replicas": 3, "selector": SELECTOR, "template": TEMPLATE}, "status": {"replicas": 2}},
            ["x", 3, 2, 0, "5m", "c,d", "nginx,busybox", "a=1,b=2"],
        ),
        (
            "apps/v1/statefulsets",
            {"spec": {"replicas": 2, "template": TEMPLATE}, "status": {"readyReplicas": 1}},
            ["x", "1/2", "5m", "c,d", "nginx,busybox"],
        ),
        (
            "apps/v1/daemonsets",
            {
                "spec": {"selector": SELECTOR, "template": {"spec": {"nodeSelector": {"disk": "ssd"}}}},
                "status": {"desiredNumberScheduled": 3, "numberReady": 2},
            },
            ["x", 3, 0, 2, 0, 0, "disk=ssd", "5m", "", "", "a=1,b=2"],
        ),
        (
            "batch/v1/jobs",
            {
                "spec": {"completions": 2, "template": TEMPLATE},
                "status": {
                    "succeeded": 2,
                    "startTime": to_rfc3339(NOW - 200),
                    "completionTime": to_rfc3339(NOW - 190),
                    "conditions": [condition("Complete")],
                },
            },
            ["x", "Complete", "2/2", "10s", "5m", "c,d", "nginx,busybox", "<none>"],
        ),
        (
            "batch/v1/jobs",
            {"spec": {"parallelism": 3}, "status": {"startTime": to_rfc3339(NOW - 200)}},
            ["x", "Running", "0/1 of 3", "3m20s", "5m", "", "", "<none>"],
        ),
        (
            "batch/v1/cronjobs",
            {"spec": {"schedule": "* * * * *", "suspend": False, "jobTemplate": {"spec": {}}}, "status": {}},
            ["x", "* * * * *", "<none>", "False", 0, "<none>", "5m", "", "", "<none>"],
        ),
        (
            "v1/services",
            {
                "spec": {
                    "type": "ClusterIP",
                    "clusterIP": "127.96.0.2",
                    "clusterIPs": ["127.96.0.2"],
                    "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
                    "selector": {"run": "my-nginx"},
                }
            },
            ["x", "ClusterIP", "127.96.0.2", "<none>", "80/TCP,53/UDP", "5m", "run=my-nginx"],
        ),
        (
            "v1/services",
            {
                "spec": {
                    "type": "NodePort",
                    "clusterIPs": ["127.96.0.3"],
                    "externalIPs": ["1.2.3.4"],
                    "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
                }
            },
            ["x", "NodePort", "127.96.0.3", "1.2.3.4", "80:30080/TCP", "5m", "<none>"],
        ),
        (
            "v1/services",
            {"spec": {"type": "LoadBalancer", "clusterIPs": ["127.96.0.4"]}},
            ["x", "LoadBalancer", "127.96.0.4", "<pending>", "<none>", "5m", "<none>"],
        ),
        (
            "v1/services",
            {
                "spec": {"type": "LoadBalancer", "clusterIPs": ["127.96.0.4"], "externalIPs": ["9.9.9.9"]},
                "status": {"loadBalancer": {"ingress": [{"ip": "127.99.0.1"}, {"hostname": "lb"}]}},
            },
            ["x", "LoadBalancer", "127.96.0.4", "127.99.0.1,lb,9.9.9.9", "<none>", "5m", "<none>"],
        ),
        (
            "v1/services",
            {"spec": {"type": "ExternalName", "externalName": "example.com"}},
            ["x", "ExternalName", "<none>", "example.com", "<none>", "5m", "<none>"],
        ),
        ("v1/endpoints", {}, ["x", "<none>", "5m"]),
        (
            "v1/endpoints",
            {
                "subsets": [
                    {"addresses": addresses("10.0.0.1", "10.0.0.2"), "ports": [{"port": 80}, {"port": 443}]},
                    {"addresses": addresses("10.0.0.3")},
                ]
            },
            ["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 2 more...", "5m"],
        ),
        (
            "discovery.k8s.io/v1/endpointslices",
            {
                "addressType": "IPv4",
                "ports": [{"port": 80}, {"port": 443}],
                "endpoints": [{"addresses": [f"10.0.0.{n}"]} for n in range(1, 6)],
            },
            ["x", "IPv4", "80,443", "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...", "5m"],
        ),
        (
            "discovery.k8s.io/v1/endpointslices",
            {"addressType": "IPv4", "endpoints": []},
            ["x", "IPv4", "<unset>", "<unset>", "5m"],
        ),
        (
            "networking.k8s.io/v1/ingresses",
            {"spec": {"rules": [{"host": "a.b"}], "tls": [{}]}},
            ["x", "<none>", "a.b", "", "80, 443", "5m"],
        ),
        (
            "networking.k8s.io/v1/networkpolicies",
            {
                "spec": {
                    "podSelector": {
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["c", "b"]}]
                    }
                }
            },
            ["x", "a in (b,c)", "5m"],
        ),
        ("v1/secrets", {"type": "Opaque", "data": {"a": "", "b": ""}}, ["x", "Opaque", 2, "5m"]),
        ("v1/configmaps", {"data": {"a": ""}, "binaryData": {"b": ""}}, ["x", 2, "5m"]),
        ("v1/serviceaccounts", {}, ["x", 0, "5m"]),
        ("coordination.k8s.io/v1/leases", {"spec": {"holderIdentity": "me"}}, ["x", "me", "5m"]),
        (
            "v1/nodes",
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [condition("Ready")],
                    "addresses": [{"type": "InternalIP", "address": "127.10.0.1"}],
                    "nodeInfo": {
                        "kubeletVersion": "v1.37.0",
                        "osImage": "Debian",
                        "kernelVersion": "6.1",
                        "containerRuntimeVersion": "podyard://0.1.0",
                    },
                },
            },
            [
                "x",
                "Ready,SchedulingDisabled",
                "worker",
                "5m",
                "v1.37.0",
                "127.10.0.1",
                "<none>",
                "Debian",
                "6.1",
                "podyard://0.1.0",
            ],
        ),
        (
            "v1/nodes",
            {"status": {"conditions": [condition("Ready", "Unknown")]}},
            ["x", "NotReady", "<none>", "5m", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"],
        ),
        (
            "v1/events",
            {
                "type": "Normal",
                "reason": "Started",
                "message": " Started container\n",
                "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
                "source": {"component": "kubelet", "host": "node1"},
                "firstTimestamp": CREATED,
                "lastTimestamp": to_rfc3339(NOW - 5),
                "count": 3,
            },
            [
                "5s",
                "Normal",
                "Started",
                "pod/p",
                "spec.containers{c}",
                "kubelet, node1",
                "Started container",
                "5m",
                3,
                "x",
            ],
        ),
        (
            "events.k8s.io/v1/events",
            {
                "type": "Normal",
                "reason": "Started",
                "note": "hello",
                "regarding": {"kind": "Node"},
                "eventTime": CREATED,
                "reportingController": "scheduler",
            },
            ["5m", "Normal", "Started", "node", "", "scheduler", "hello", "5m", 1, "x"],
        ),
        ("rbac.authorization.k8s.io/v1/roles", {}, ["x", CREATED]),
        (
            "rbac.authorization.k8s.io/v1/rolebindings",
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [
                    {"kind": "User", "name": "u"},
                    {"kind": "ServiceAccount", "namespace": "n", "name": "s"},
                ],
            },
            ["x", "Role/r", "5m", "u", "", "n/s"],
        ),
        (
            "policy/v1/poddisruptionbudgets",
            {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}},
            ["x", "50%", "N/A", 1, "5m"],
        ),
        (
            "autoscaling/v2/horizontalpodautoscalers",
            {
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                    "minReplicas": 1,
                    "maxReplicas": 5,
                    "metrics": [
                        {
                            "type": "Resource",
                            "resource": {"name": "cpu", "target": {"averageUtilization": 80}},
                        }
                    ],
                }
            },
            ["x", "Deployment/d", "cpu: <unknown>/80%", "1", 5, 0, "5m"],
        ),
        (
            "v1/persistentvolumeclaims",
            {
                "spec": {"volumeName": "pv", "storageClassName": "fast", "volumeMode": "Filesystem"},
                "status": {
                    "phase": "Bound",
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                },
            },
            ["x", "Bound", "pv", "1Gi", "RWO,RWX", "fast", "<unset>", "5m", "Filesystem"],
        ),
        (
            "storage.k8s.io/v1/storageclasses",
            {
                "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "p",
            },
            ["x (default)", "p", "Delete", "Immediate", False, "5m"],
        ),
        (
            "certificates.k8s.io/v1/certificatesigningrequests",
            {"spec": {"signerName": "s", "username": "u"}, "status": {"conditions": [{"type": "Approved"}]}},
            ["x", "5m", "s", "u", "<none>", "Approved"],
        ),
        ("resource.k8s.io/v1/deviceclasses", {}, ["x", "5m"]),
    ],
)
def test_cells(key: str, fields: dict[str, Any], expected: list[Any]) -> None:
    assert cells(key, **fields) == expected


@pytest.mark.parametrize("resource", [r for r in RESOURCES if r.stored], ids=lambda r: r.group_resource)
def test_an_object_of_any_kind_with_nothing_in_it_has_a_cell_for_every_column(resource: Resource) -> None:
    bare = table(resource, [{"metadata": {"name": "x", "creationTimestamp": CREATED}}], {}, "v1", now=NOW)
    assert len(bare["rows"][0]["cells"]) == len(bare["columnDefinitions"])


def test_every_printer_is_of_a_served_kind() -> None:
    assert set(PRINTERS) <= {(r.group, r.plural) for r in RESOURCES}
