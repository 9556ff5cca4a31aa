"""What makes an object wrong although its types are right (k8s.io/kubernetes pkg/apis/*/validation).

`validate_create` and `validate_update` look at the metadata of every kind, and at the rest of it
by the functions in the table below. Objects come here after defaults, admission and allocation.
Status sub-resources may be passed to `validate_update` too, as their spec is the old one; what sets
a field past the rules (binding a pod, adding ephemeral containers) is the registry's to let pass.

Paths, reasons and texts are those of Kubernetes v1.37, so that kubectl shows the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podyard.api.errors import FieldError
from podyard.api.resources import Resource
from podyard.api.validation import (
    authentication,
    certificates,
    cluster,
    config,
    endpoints,
    jobs,
    metadata,
    networking,
    pod,
    policies,
    rbac,
    service,
    stateful_sets,
    storage,
    workloads,
)
from podyard.api.validation.fields import Errors, Object


@dataclass(frozen=True, slots=True)
class _Rules:
    """The checks of one kind. Without `update`, an object that replaces another is checked as a new one."""

    create: Callable[[Object], Errors]
    update: Callable[[Object, Object], Errors] | None = None


_RULES: dict[tuple[str, str], _Rules] = {
    ("", "Binding"): _Rules(pod.binding),
    ("", "ConfigMap"): _Rules(config.config_map_create, config.config_map_update),
    ("", "Endpoints"): _Rules(endpoints.endpoints),
    ("", "Event"): _Rules(policies.event),
    ("", "LimitRange"): _Rules(cluster.limit_range),
    ("", "Namespace"): _Rules(cluster.namespace),
    ("", "Node"): _Rules(cluster.node_create, cluster.node_update),
    ("", "PersistentVolume"): _Rules(storage.volume_create),
    ("", "PersistentVolumeClaim"): _Rules(storage.claim_create, storage.claim_update),
    ("", "Pod"): _Rules(pod.create, pod.update),
    ("", "PodTemplate"): _Rules(pod.template_create),
    ("", "ReplicationController"): _Rules(
        workloads.replication_controller_create, workloads.replication_controller_update
    ),
    ("", "ResourceQuota"): _Rules(cluster.resource_quota_create, cluster.resource_quota_update),
    ("", "Secret"): _Rules(config.secret_create, config.secret_update),
    ("", "Service"): _Rules(service.create, service.update),
    ("apps", "ControllerRevision"): _Rules(
        policies.controller_revision_create, policies.controller_revision_update
    ),
    ("apps", "DaemonSet"): _Rules(workloads.daemon_set_create, workloads.daemon_set_update),
    ("apps", "Deployment"): _Rules(workloads.deployment_create, workloads.deployment_update),
    ("apps", "ReplicaSet"): _Rules(workloads.replica_set_create, workloads.replica_set_update),
    ("apps", "StatefulSet"): _Rules(stateful_sets.stateful_set_create, stateful_sets.stateful_set_update),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _Rules(policies.custom_resource_definition),
    ("apiregistration.k8s.io", "APIService"): _Rules(policies.api_service),
    ("authentication.k8s.io", "TokenRequest"): _Rules(authentication.token_request),
    ("autoscaling", "HorizontalPodAutoscaler"): _Rules(policies.autoscaler),
    ("batch", "CronJob"): _Rules(jobs.cron_job_create, jobs.cron_job_update),
    ("batch", "Job"): _Rules(jobs.job_create, jobs.job_update),
    ("certificates.k8s.io", "CertificateSigningRequest"): _Rules(
        certificates.signing_request_create, certificates.signing_request_update
    ),
    ("coordination.k8s.io", "Lease"): _Rules(policies.lease),
    ("discovery.k8s.io", "EndpointSlice"): _Rules(endpoints.slice_create, endpoints.slice_update),
    ("events.k8s.io", "Event"): _Rules(policies.event),
    ("networking.k8s.io", "Ingress"): _Rules(networking.ingress),
    ("networking.k8s.io", "NetworkPolicy"): _Rules(networking.network_policy),
    ("policy", "PodDisruptionBudget"): _Rules(policies.disruption_budget),
    ("rbac.authorization.k8s.io", "ClusterRole"): _Rules(rbac.role),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _Rules(
        rbac.role_binding_create, rbac.role_binding_update
    ),
    ("rbac.authorization.k8s.io", "Role"): _Rules(rbac.role),
    ("rbac.authorization.k8s.io", "RoleBinding"): _Rules(rbac.role_binding_create, rbac.role_binding_update),
    ("scheduling.k8s.io", "PriorityClass"): _Rules(
        cluster.priority_class_create, cluster.priority_class_update
    ),
    ("storage.k8s.io", "StorageClass"): _Rules(storage.storage_class_create, storage.storage_class_update),
}


def validate_create(resource: Resource, obj: Object) -> list[FieldError]:
    """What is wrong with a new object; an empty list when nothing is.

    The metadata of kinds that are never stored (reviews, bindings) is not looked at.
    """
    errors = list(metadata.create(resource, obj)) if resource.stored else []
    if rules := _RULES.get((resource.group, resource.kind)):
        errors += rules.create(obj)
    return errors


def validate_update(resource: Resource, new: Object, old: Object) -> list[FieldError]:
    """What is wrong with an object that is to replace `old`; an empty list when nothing is.

    Of pods and workloads a spec that did not change is not looked at again.
    """
    errors = list(metadata.update(new, old))
    if rules := _RULES.get((resource.group, resource.kind)):
        errors += rules.update(new, old) if rules.update else rules.create(new)
    return errors
