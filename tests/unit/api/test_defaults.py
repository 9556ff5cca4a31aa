"""What is filled in when a manifest leaves it out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podyard.api import schema
from podyard.api.defaults import apply_defaults
from podyard.api.images import image_tag
from podyard.api.resources import RESOURCES

POD_SPEC = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
CONTAINER = {
    "name": "web",
    "image": "nginx",
    "imagePullPolicy": "Always",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
GIVEN: dict[str, Any] = {"containers": [{"name": "web", "image": "nginx"}]}
FILLED: dict[str, Any] = {**POD_SPEC, "containers": [CONTAINER]}


def defaulted(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    obj = copy.deepcopy(fields)
    apply_defaults(api_version, kind, obj)
    once = copy.deepcopy(obj)
    apply_defaults(api_version, kind, obj)
    assert obj == once, "applying defaults again changed the object"
    return obj


def container(**fields: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "nginx", **fields}]}
    result: dict[str, Any] = defaulted("v1", "Pod", spec=spec)["spec"]["containers"][0]
    return result


def test_pod() -> None:
    assert defaulted("v1", "Pod", spec=GIVEN) == {"spec": {**FILLED, "enableServiceLinks": True}}


def test_deployment() -> None:
    spec = defaulted("apps/v1", "Deployment", spec={"template": {"spec": GIVEN}})["spec"]
    assert spec == {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "template": {"metadata": {}, "spec": FILLED},
    }


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        (
            "Deployment",
            {"replicas": 0, "strategy": {"type": "Recreate"}},
            {"replicas": 0, "strategy": {"type": "Recreate"}},
        ),
        ("Deployment", {"replicas": None, "minReadySeconds": 0}, {"replicas": 1, "minReadySeconds": 0}),
        ("ReplicaSet", {}, {"replicas": 1}),
        (
            "DaemonSet",
            {},
            {
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
                },
                "revisionHistoryLimit": 10,
            },
        ),
        (
            "StatefulSet",
            {},
            {
                "replicas": 1,
                "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "revisionHistoryLimit": 10,
            },
        ),
    ],
)
def test_workloads(kind: str, spec: dict[str, Any], expected: dict[str, Any]) -> None:
    found = defaulted("apps/v1", kind, spec={**spec, "template": {"spec": GIVEN}})["spec"]
    assert {key: found[key] for key in expected} == expected
    assert found["template"]["spec"] == FILLED


@pytest.mark.parametrize(
    ("image", "tag", "policy"),
    [
        ("nginx", "latest", "Always"),
        ("nginx:latest", "latest", "Always"),
        ("nginx:1.25", "1.25", "IfNotPresent"),
        ("localhost:5000/nginx", "latest", "Always"),
        ("localhost:5000/a/nginx:2", "2", "IfNotPresent"),
        ("nginx@sha256:abc", "", "IfNotPresent"),
        ("nginx:1@sha256:abc", "1", "IfNotPresent"),
        ("/usr/bin/python3", "", "IfNotPresent"),
        ("", "", "IfNotPresent"),
    ],
)
def test_images(image: str, tag: str, policy: str) -> None:
    assert image_tag(image) == tag
    assert container(image=image)["imagePullPolicy"] == policy


def test_container_fields() -> None:
    found = container(
        ports=[{"containerPort": 80}],
        env=[
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ],
        livenessProbe={"httpGet": {"port": 80}, "periodSeconds": 0},
        readinessProbe={"grpc": {"port": 80}, "periodSeconds": 2},
        lifecycle={"preStop": {"httpGet": {"port": 80, "path": "/bye"}}},
    )
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert [variable["valueFrom"] for variable in found["env"]] == [
        {"fieldRef": {"fieldPath": "status.podIP", "apiVersion": "v1"}},
        {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}},
    ]
    assert found["livenessProbe"] == {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, **PROBE}
    assert found["readinessProbe"] == {"grpc": {"port": 80, "service": ""}, **PROBE, "periodSeconds": 2}
    assert found["lifecycle"]["preStop"]["httpGet"] == {"port": 80, "path": "/bye", "scheme": "HTTP"}


def test_requests_follow_limits_in_pods_alone() -> None:
    resources = {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "250m"}}
    assert container(resources=resources)["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "250m", "memory": "1Gi"},
    }
    spec = {"containers": [{"name": "web", "image": "n", "resources": {"limits": {"cpu": "1"}}}]}
    found = defaulted("apps/v1", "ReplicaSet", spec={"template": {"spec": spec}})["spec"]["template"]
    assert found["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


def test_host_network_ports_in_pods_alone() -> None:
    spec = {
        "hostNetwork": True,
        "containers": [{"name": "web", "image": "n", "ports": [{"containerPort": 80}]}],
    }
    pod = defaulted("v1", "Pod", spec=spec)["spec"]
    assert pod["containers"][0]["ports"][0]["hostPort"] == 80
    template = defaulted("v1", "PodTemplate", template={"spec": spec})["template"]["spec"]
    assert "hostPort" not in template["containers"][0]["ports"][0]
    assert "enableServiceLinks" not in template


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({}, {"emptyDir": {}}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}),
        ({"configMap": {"name": "c", "defaultMode": 0}}, {"configMap": {"name": "c", "defaultMode": 0}}),
        ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                    "defaultMode": 420,
                }
            },
        ),
    ],
)
def test_volumes(volume: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = {**GIVEN, "volumes": [{"name": "v", **volume}]}
    assert defaulted("v1", "Pod", spec=spec)["spec"]["volumes"] == [{"name": "v", **expected}]


BALANCER: dict[str, Any] = {"status": {"loadBalancer": {}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"ports": [{"port": 80}]},
            {
                "type": "ClusterIP",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            },
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "targetPort": "http", "protocol": "UDP"}]},
            {
                "type": "NodePort",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "externalTrafficPolicy": "Cluster",
                "ports": [{"port": 80, "protocol": "UDP", "targetPort": "http"}],
            },
        ),
        (
            {"type": "LoadBalancer", "sessionAffinity": "ClientIP"},
            {
                "type": "LoadBalancer",
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
                "internalTrafficPolicy": "Cluster",
                "externalTrafficPolicy": "Cluster",
                "allocateLoadBalancerNodePorts": True,
            },
        ),
        (
            {"type": "ExternalName", "externalName": "a.b"},
            {"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None"},
        ),
    ],
)
def test_service(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    assert defaulted("v1", "Service", spec=spec) == {"spec": expected, **BALANCER}


def test_job() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**GIVEN, "restartPolicy": "Never"}}
    job = defaulted("batch/v1", "Job", metadata={"name": "j"}, spec={"template": template})
    assert job["metadata"] == {"name": "j", "labels": {"a": "b"}}
    assert {key: value for key, value in job["spec"].items() if key != "template"} == {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "podReplacementPolicy": "TerminatingOrFailed",
    }
    parallel = defaulted("batch/v1", "Job", spec={"parallelism": 3, "template": template})["spec"]
    assert "completions" not in parallel


def test_cron_job_leaves_the_job_alone() -> None:
    spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": GIVEN}}}}
    found = defaulted("batch/v1", "CronJob", spec=spec)["spec"]
    assert found.pop("jobTemplate") == {
        "metadata": {},
        "spec": {"template": {"metadata": {}, "spec": FILLED}},
    }
    assert found == {
        "schedule": "@daily",
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }


OTHERS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("v1", "ConfigMap", {}, {}),
    ("v1", "Secret", {}, {"type": "Opaque"}),
    ("v1", "Namespace", {}, {"status": {"phase": "Active"}}),
    (
        "v1",
        "Node",
        {"status": {"capacity": {"cpu": "2"}}},
        {"status": {"capacity": {"cpu": "2"}, "allocatable": {"cpu": "2"}}},
    ),
    (
        "v1",
        "Endpoints",
        {"subsets": [{"ports": [{"port": 80}]}]},
        {"subsets": [{"ports": [{"port": 80, "protocol": "TCP"}]}]},
    ),
    (
        "v1",
        "LimitRange",
        {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"}}]}},
        {
            "spec": {
                "limits": [
                    {
                        "type": "Container",
                        "max": {"cpu": "1"},
                        "min": {"memory": "1Mi"},
                        "default": {"cpu": "1"},
                        "defaultRequest": {"cpu": "1", "memory": "1Mi"},
                    }
                ]
            }
        },
    ),
    (
        "v1",
        "PersistentVolumeClaim",
        {},
        {"spec": {"volumeMode": "Filesystem", "resources": {}}, "status": {"phase": "Pending"}},
    ),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        {"ports": [{"port": 80}]},
        {"ports": [{"port": 80, "name": "", "protocol": "TCP"}]},
    ),
    ("networking.k8s.io/v1", "NetworkPolicy", {}, {"spec": {"policyTypes": ["Ingress"]}}),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        {"roleRef": {"kind": "Role"}, "subjects": [{"kind": "User"}, {"kind": "ServiceAccount"}]},
        {
            "roleRef": {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [
                {"kind": "User", "apiGroup": "rbac.authorization.k8s.io"},
                {"kind": "ServiceAccount"},
            ],
        },
    ),
    ("storage.k8s.io/v1", "StorageClass", {}, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    ("scheduling.k8s.io/v1", "PriorityClass", {}, {"preemptionPolicy": "PreemptLowerPriority"}),
    ("autoscaling/v1", "HorizontalPodAutoscaler", {}, {"spec": {"minReplicas": 1}}),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        {"spec": {"names": {"kind": "Foo", "plural": "foos"}}},
        {
            "spec": {
                "names": {"kind": "Foo", "plural": "foos", "singular": "foo", "listKind": "FooList"},
                "conversion": {"strategy": "None"},
            }
        },
    ),
]


@pytest.mark.parametrize(("api_version", "kind", "given", "expected"), OTHERS)
def test_others(api_version: str, kind: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert defaulted(api_version, kind, **given) == expected


def test_autoscaler_scales_by_cpu() -> None:
    found = defaulted("autoscaling/v2", "HorizontalPodAutoscaler", spec={"behavior": {}})["spec"]
    target = {"type": "Utilization", "averageUtilization": 80}
    assert found["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert found["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert found["behavior"]["scaleDown"]["policies"] == [
        {"type": "Percent", "value": 100, "periodSeconds": 15}
    ]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: f"{r.group_version}/{r.kind}")
def test_defaults_are_fields_of_the_kind(resource: Any) -> None:
    """What is filled into a nearly empty object must be known to the kind's own definition."""
    obj = {"apiVersion": resource.group_version, "kind": resource.kind, "metadata": {"name": "x"}}
    apply_defaults(resource.group_version, resource.kind, obj)
    checked = schema.check(resource.group_version, resource.kind, obj)
    assert checked.unknown == []
    assert [error for error in checked.errors if "required" not in error.lower()] == []
