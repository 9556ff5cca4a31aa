"""The Endpoints object of a Service: addresses by the ports they share. Pure.

Source: k8s.io/kubernetes pkg/controller/endpoint, pkg/api/v1/endpoints (RepackSubsets).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from podyard.api.objects import is_ready
from podyard.controllers.endpoints.pods import (
    hostname_in,
    ip_of,
    is_headless,
    may_be_endpoint,
    ports_of,
    target_of,
)
from podyard.controllers.endpoints.slices import HEADLESS, TRIGGER_TIME
from podyard.controllers.meta import Object, annotations_of, labels_of

CAPACITY = 1000
"""The most addresses in an Endpoints object; EndpointSlices have the rest."""

OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"

_Port = tuple[str, str, int | None, str]


def subsets_of(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The subsets for these pods: each address once with all the ports it has in one state."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    by_ports: dict[tuple[_Port, ...], tuple[list[Object], list[Object]]] = {}
    for pod in pods:
        if not may_be_endpoint(pod, include_terminating=publish):
            continue
        ports = ports_of(service, pod)
        if not ports and service["spec"].get("ports"):
            continue  # none of the named ports is there
        ready, not_ready = by_ports.setdefault(ports, ([], []))
        (ready if publish or is_ready(pod) else not_ready).append(_address(service, pod))
    return [_subset(ports, *addresses) for ports, addresses in sorted(by_ports.items(), key=_order)]


def _order(item: tuple[tuple[_Port, ...], object]) -> list[tuple[str, str, int]]:
    return [(name, protocol, number or 0) for name, protocol, number, _ in item[0]]


def _address(service: Object, pod: Object) -> Object:
    address: Object = {"ip": ip_of(pod)}
    if hostname := hostname_in(service, pod):
        address["hostname"] = hostname
    if pod["spec"].get("nodeName"):
        address["nodeName"] = pod["spec"]["nodeName"]
    address["targetRef"] = target_of(pod)
    return address


def _subset(ports: tuple[_Port, ...], ready: list[Object], not_ready: list[Object]) -> Object:
    subset: Object = {}
    for key, addresses in (("addresses", ready), ("notReadyAddresses", not_ready)):
        if addresses:
            subset[key] = sorted(addresses, key=lambda a: (ipaddress.ip_address(a["ip"]).packed, str(a)))
    if ports:
        subset["ports"] = [_port(*port) for port in ports]
    return subset


def _port(name: str, protocol: str, number: int | None, app_protocol: str) -> Object:
    port: Object = {"name": name} if name else {}
    port.update({"port": number, "protocol": protocol})
    if app_protocol:
        port["appProtocol"] = app_protocol
    return port


def truncate(subsets: list[Object]) -> tuple[list[Object], bool]:
    """At most CAPACITY addresses, ready ones first, and whether any were left out."""
    counts = [(len(s.get("addresses") or ()), len(s.get("notReadyAddresses") or ())) for s in subsets]
    if sum(ready + not_ready for ready, not_ready in counts) <= CAPACITY:
        return subsets, False
    left = CAPACITY
    cut = [dict(subset) for subset in subsets]
    for key in ("addresses", "notReadyAddresses"):
        for subset in cut:
            addresses = (subset.pop(key, None) or [])[:left]
            if addresses:
                subset[key] = addresses
            left -= len(addresses)
    return [s for s in cut if "addresses" in s or "notReadyAddresses" in s], True


def endpoints_for(
    service: Object, subsets: list[Object], current: Object | None, trigger_time: str
) -> Object | None:
    """The Endpoints object to write, or None when `current` says all that already."""
    subsets, over = truncate(subsets)
    labels = {k: v for k, v in labels_of(service).items() if k != HEADLESS}
    labels[MANAGED_BY] = CONTROLLER
    if is_headless(service):
        labels[HEADLESS] = ""
    old = annotations_of(current) if current else {}
    annotations = {k: v for k, v in old.items() if k not in (OVER_CAPACITY, TRIGGER_TIME)}
    if over:
        annotations[OVER_CAPACITY] = "truncated"
    if (
        current is not None
        and subsets == (current.get("subsets") or [])
        and labels == labels_of(current)
        and annotations == {k: v for k, v in old.items() if k != TRIGGER_TIME}
    ):
        return None
    if trigger_time:
        annotations[TRIGGER_TIME] = trigger_time
    metadata = dict(current["metadata"]) if current else _new_metadata(service)
    metadata["labels"] = labels
    metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}


def _new_metadata(service: Object) -> Object:
    metadata = service["metadata"]
    return {"name": metadata["name"], "namespace": metadata["namespace"]}
