"""Which strategy each resource has."""

from __future__ import annotations

from podyard.api.resources import RESOURCES
from podyard.apiserver.registry.strategies import Strategy
from podyard.apiserver.registry.strategies.cluster import (
    CertificateStrategy,
    NamespaceStrategy,
    NodeStrategy,
    SecretStrategy,
    VolumeStrategy,
)
from podyard.apiserver.registry.strategies.pods import PodStrategy
from podyard.apiserver.registry.strategies.services import ServiceStrategy
from podyard.apiserver.registry.strategies.workloads import DeploymentStrategy, JobStrategy

_GENERATION = frozenset(
    {
        "pods",
        "replicationcontrollers",
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "jobs.batch",
        "cronjobs.batch",
        "endpointslices.discovery.k8s.io",
        "ingresses.networking.k8s.io",
        "ingressclasses.networking.k8s.io",
        "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "priorityclasses.scheduling.k8s.io",
        "csidrivers.storage.k8s.io",
        "resourceslices.resource.k8s.io",
        "flowschemas.flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "deviceclasses.resource.k8s.io",
    }
)
_CREATE_ON_UPDATE = frozenset(
    {
        "services",
        "endpoints",
        "events",
        "limitranges",
        "leases.coordination.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
    }
)
_NEEDS_VERSION = frozenset(
    {
        "leases.coordination.k8s.io",
        "poddisruptionbudgets.policy",
        "runtimeclasses.node.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)
_RETURNS_DELETED = frozenset(
    {
        "pods",
        "podtemplates",
        "persistentvolumeclaims",
        "persistentvolumes",
        "resourcequotas",
        "serviceaccounts",
        "services",
    }
)
_CLASSES: dict[str, type[Strategy]] = {
    "pods": PodStrategy,
    "services": ServiceStrategy,
    "namespaces": NamespaceStrategy,
    "nodes": NodeStrategy,
    "secrets": SecretStrategy,
    "persistentvolumes": VolumeStrategy,
    "persistentvolumeclaims": VolumeStrategy,
    "deployments.apps": DeploymentStrategy,
    "jobs.batch": JobStrategy,
    "certificatesigningrequests.certificates.k8s.io": CertificateStrategy,
}

STRATEGIES: dict[str, Strategy] = {
    name: _CLASSES.get(name, Strategy)(
        has_status="status" in resource.subresources,
        has_generation=name in _GENERATION,
        create_on_update=name in _CREATE_ON_UPDATE,
        needs_version=name in _NEEDS_VERSION,
        returns_deleted=name in _RETURNS_DELETED,
    )
    for resource in RESOURCES
    if resource.stored and resource.converts_to is None
    for name in (resource.group_resource,)
}
"""By group resource, such as "deployments.apps"."""
