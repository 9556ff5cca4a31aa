"""What the proxy keeps of the objects it follows: the rest would be most of its memory. Pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
SERVICE_NAME = "kubernetes.io/service-name"

_SPEC = (
    "type",
    "clusterIP",
    "clusterIPs",
    "ports",
    "externalIPs",
    "sessionAffinity",
    "sessionAffinityConfig",
    "internalTrafficPolicy",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerSourceRanges",
)
_PORT = ("name", "protocol", "port", "nodePort")
_METADATA = ("namespace", "name", "uid", "resourceVersion")

_CONDITIONS = ("ready", "serving", "terminating")

_shared: dict[tuple[bool | None, ...], Object] = {}
"""Conditions that look alike are one object: there are only a few kinds of them."""


def slim_service(service: Object) -> Object:
    """The part of a Service that decides where the proxy listens, and by which Events are about it."""
    spec = _only(_SPEC, service["spec"])
    spec["ports"] = [_only(_PORT, port) for port in spec.get("ports") or ()]
    balancer = service.get("status", {}).get("loadBalancer")
    return {
        "apiVersion": service["apiVersion"],
        "kind": service["kind"],
        "metadata": _only(_METADATA, service["metadata"]),
        "spec": spec,
        "status": {"loadBalancer": balancer} if balancer else {},
    }


def slim_slice(piece: Object) -> Object:
    """The part of an EndpointSlice that says where connections may go."""
    metadata = piece["metadata"]
    slim = _only(_METADATA, metadata)
    slim["labels"] = _only((SERVICE_NAME,), metadata.get("labels") or {})
    slim["annotations"] = _only((TRIGGER_TIME,), metadata.get("annotations") or {})
    return {
        "metadata": slim,
        "addressType": piece["addressType"],
        "ports": [_only(_PORT, port) for port in piece.get("ports") or ()],
        "endpoints": [_slim_endpoint(endpoint) for endpoint in piece.get("endpoints") or ()],
    }


def _slim_endpoint(endpoint: Object) -> Object:
    slim: Object = {"addresses": endpoint["addresses"][:1]}
    for name in ("nodeName", "hints"):
        if endpoint.get(name):
            slim[name] = endpoint[name]
    conditions = endpoint.get("conditions")
    if conditions:
        key = tuple(map(conditions.get, _CONDITIONS))
        slim["conditions"] = _shared.setdefault(key, conditions)
    return slim


def _only(keys: tuple[str, ...], whole: Object) -> Object:
    return {key: whole[key] for key in keys if key in whole}
