"""What users are told whenever they touch an API, whatever the object says."""

from __future__ import annotations

from collections.abc import Iterator

from podyard.apiserver.requestinfo import RequestInfo

_DEPRECATED = {"endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}
"""Kubernetes' own warnings about APIs that are on their way out."""

_WITHOUT_EFFECT = frozenset(
    f"{plural}.{group}".rstrip(".")
    for group, plurals in {
        "": "limitranges persistentvolumeclaims persistentvolumes replicationcontrollers resourcequotas",
        "admissionregistration.k8s.io": "mutatingadmissionpolicies mutatingadmissionpolicybindings "
        "mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings "
        "validatingwebhookconfigurations",
        "apiextensions.k8s.io": "customresourcedefinitions",
        "apiregistration.k8s.io": "apiservices",
        "apps": "daemonsets statefulsets",
        "autoscaling": "horizontalpodautoscalers",
        "batch": "cronjobs jobs",
        "networking.k8s.io": "ingresses networkpolicies",
        "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
        "resource.k8s.io": "resourceclaims resourceclaimtemplates",
    }.items()
    for plural in plurals.split()
)
"""Kinds that the API has, so that manifests and clients meet what they expect, and nothing acts on."""


def standing_warnings(info: RequestInfo) -> Iterator[str]:
    """For the `Warning` headers of the answer to a request."""
    resource = info.resource
    if resource is None:
        return
    if (deprecated := _DEPRECATED.get(resource.group_resource)) is not None:
        yield deprecated
    if info.verb == "create" and not info.subresource and resource.group_resource in _WITHOUT_EFFECT:
        yield f"{resource.group_resource} are stored, but nothing in this cluster acts on them"
