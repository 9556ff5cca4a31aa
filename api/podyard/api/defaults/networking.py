"""Defaults of discovery and networking kinds (pkg/apis/discovery/v1, pkg/apis/networking/v1)."""

from __future__ import annotations

from podyard.api.defaults.fill import Object, child, items, set_default


def endpoint_slice(obj: Object) -> None:
    """An EndpointSlice: nameless TCP ports."""
    for port in items(obj, "ports"):
        set_default(port, "name", "")
        set_default(port, "protocol", "TCP")


def network_policy(obj: Object) -> None:
    """A NetworkPolicy: about ingress, and about egress when it has such rules; TCP ports."""
    spec = child(obj, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in [*items(spec, "ingress"), *items(spec, "egress")]:
        for port in items(rule, "ports"):
            set_default(port, "protocol", "TCP")


def ingress_class(obj: Object) -> None:
    """An IngressClass: its parameters are an object of the cluster's, not of a namespace's."""
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        set_default(parameters, "scope", "Cluster")
