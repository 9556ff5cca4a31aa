"""Defaults of the core group's other kinds (pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

from podyard.api.defaults.fill import (
    Object,
    child,
    items,
    set_default,
    set_zero_default,
)
from podyard.api.defaults.pods import pod_template
from podyard.api.defaults.volumes import claim_spec

_CLIENT_IP_SECONDS = 10800


def service(obj: Object) -> None:
    """A Service, but for its addresses, node ports and IP families: those are allocated."""
    spec = child(obj, "spec")
    set_default(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    if spec["sessionAffinity"] == "ClientIP":
        client = child(child(spec, "sessionAffinityConfig"), "clientIP")
        set_default(client, "timeoutSeconds", _CLIENT_IP_SECONDS)
    set_default(spec, "type", "ClusterIP")
    for port in items(spec, "ports"):
        set_default(port, "protocol", "TCP")
        set_zero_default(port, "targetPort", port.get("port", 0))
    service_type = spec["type"]
    external = service_type in ("NodePort", "LoadBalancer") or (
        service_type == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    if external:
        set_default(spec, "externalTrafficPolicy", "Cluster")
    if service_type in ("ClusterIP", "NodePort", "LoadBalancer"):
        set_default(spec, "internalTrafficPolicy", "Cluster")
    balancer = child(child(obj, "status"), "loadBalancer")
    if service_type == "LoadBalancer":
        set_default(spec, "allocateLoadBalancerNodePorts", True)
        for ingress in items(balancer, "ingress"):
            if ingress.get("ip"):
                set_default(ingress, "ipMode", "VIP")


def endpoints(obj: Object) -> None:
    """Endpoints: TCP."""
    for subset in items(obj, "subsets"):
        for port in items(subset, "ports"):
            set_default(port, "protocol", "TCP")


def secret(obj: Object) -> None:
    """A Secret: of no particular type."""
    set_default(obj, "type", "Opaque")


def namespace(obj: Object) -> None:
    """A Namespace: in use."""
    set_default(child(obj, "status"), "phase", "Active")


def node(obj: Object) -> None:
    """A Node: pods may use all that it has, unless it says otherwise."""
    status = child(obj, "status")
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])


def replication_controller(obj: Object) -> None:
    """A ReplicationController: one replica; selector and labels from the template's labels."""
    spec = child(obj, "spec")
    set_default(spec, "replicas", 1)
    if spec.get("template") is None:
        return
    pod_template(spec)
    if labels := spec["template"]["metadata"].get("labels"):
        set_zero_default(spec, "selector", dict(labels))
        set_zero_default(child(obj, "metadata"), "labels", dict(labels))


def limit_range(obj: Object) -> None:
    """A LimitRange: default limits from the maximum, default requests from those or the minimum."""
    for limit in items(obj.get("spec"), "limits"):
        if limit.get("type") != "Container":
            continue
        default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
        request = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
        for key, value in (("default", default), ("defaultRequest", request)):
            if value:
                limit[key] = value


def persistent_volume(obj: Object) -> None:
    """A PersistentVolume: retained, a file system, pending."""
    spec = child(obj, "spec")
    set_default(spec, "persistentVolumeReclaimPolicy", "Retain")
    set_default(spec, "volumeMode", "Filesystem")
    set_default(child(obj, "status"), "phase", "Pending")
    if (host_path := spec.get("hostPath")) is not None and host_path.get("type") is None:
        host_path["type"] = ""


def persistent_volume_claim(obj: Object) -> None:
    """A PersistentVolumeClaim: a file system, pending."""
    claim_spec(child(obj, "spec"))
    set_default(child(obj, "status"), "phase", "Pending")
