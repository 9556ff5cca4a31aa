"""What Kubernetes fills in when an object leaves it out (pkg/apis/*/*/defaults.go, v1.37).

One function per kind, found in the table below; a kind without one has no defaults. Functions
change the object they are given and look at nothing else, so applying defaults twice is the same
as applying them once. A field counts as left out when it is absent or null, and, where Kubernetes
keeps the field by value rather than by pointer, also when it is "" or 0.

Not here, because Kubernetes does them elsewhere: addresses, node ports and IP families of a
Service (the allocator), a Job's generated selector and labels, a Namespace's finalizer and label
(their strategies), and what admission adds to a Pod (service account, tolerations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard.api.defaults import autoscaling, cluster, core, networking, pods, workloads

_FUNCTIONS: dict[tuple[str, str], Callable[[dict[str, Any]], None]] = {
    ("v1", "Pod"): pods.pod,
    ("v1", "PodTemplate"): pods.pod_template,
    ("v1", "ReplicationController"): core.replication_controller,
    ("v1", "Service"): core.service,
    ("v1", "Endpoints"): core.endpoints,
    ("v1", "Secret"): core.secret,
    ("v1", "Namespace"): core.namespace,
    ("v1", "Node"): core.node,
    ("v1", "LimitRange"): core.limit_range,
    ("v1", "PersistentVolume"): core.persistent_volume,
    ("v1", "PersistentVolumeClaim"): core.persistent_volume_claim,
    ("apps/v1", "Deployment"): workloads.deployment,
    ("apps/v1", "ReplicaSet"): workloads.replica_set,
    ("apps/v1", "DaemonSet"): workloads.daemon_set,
    ("apps/v1", "StatefulSet"): workloads.stateful_set,
    ("batch/v1", "Job"): workloads.job,
    ("batch/v1", "CronJob"): workloads.cron_job,
    ("authentication.k8s.io/v1", "TokenRequest"): cluster.token_request,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): autoscaling.horizontal_pod_autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): autoscaling.horizontal_pod_autoscaler_v2,
    ("discovery.k8s.io/v1", "EndpointSlice"): networking.endpoint_slice,
    ("networking.k8s.io/v1", "NetworkPolicy"): networking.network_policy,
    ("networking.k8s.io/v1", "IngressClass"): networking.ingress_class,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): cluster.role_binding,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): cluster.role_binding,
    ("storage.k8s.io/v1", "StorageClass"): cluster.storage_class,
    ("storage.k8s.io/v1", "CSIDriver"): cluster.csi_driver,
    ("scheduling.k8s.io/v1", "PriorityClass"): cluster.priority_class,
    ("apiregistration.k8s.io/v1", "APIService"): cluster.api_service,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): cluster.custom_resource_definition,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): cluster.mutating_webhooks,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): cluster.validating_webhooks,
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): cluster.flow_schema,
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): cluster.priority_level,
}


def apply_defaults(api_version: str, kind: str, obj: dict[str, Any]) -> None:
    """Fill in, in place, the fields of `obj` that Kubernetes defaults; nothing for other kinds.

    The object is expected to have been through `podyard.api.schema`: its types are right, nulls are
    gone, quantities are in their canonical form.
    """
    if function := _FUNCTIONS.get((api_version, kind)):
        function(obj)
