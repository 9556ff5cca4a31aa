"""From a Service's pods to its endpoints. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from podyard.api.objects import is_ready
from podyard.controllers.meta import Object, is_terminating, labels_of, status_of
from podyard.controllers.pods import is_finished

ZONE_LABEL = "topology.kubernetes.io/zone"

Ports = tuple[tuple[str, str, int | None, str], ...]
"""(name, protocol, number, appProtocol) of each port; what can be reached at one endpoint."""


def has_endpoints(service: Object) -> bool:
    """Whether a Service's endpoints are made from pods: it has a selector and is no ExternalName."""
    return service["spec"].get("type") != "ExternalName" and bool(service["spec"].get("selector"))


def selects(service: Object, pod: Object) -> bool:
    """Whether the Service's selector matches the pod's labels."""
    labels = labels_of(pod)
    return all(labels.get(key) == value for key, value in service["spec"]["selector"].items())


def is_headless(service: Object) -> bool:
    """Whether it has no cluster address by choice."""
    return bool(service["spec"].get("clusterIP") == "None")


def ip_of(pod: Object) -> str:
    """The pod's address; "" when it has none yet."""
    return str(status_of(pod).get("podIP") or "")


def may_be_endpoint(pod: Object, *, include_terminating: bool) -> bool:
    """Whether a pod can be an endpoint at all (ShouldPodBeInEndpoints)."""
    if is_finished(pod) or not ip_of(pod):
        return False
    return include_terminating or not is_terminating(pod)


def find_port(pod: Object, service_port: Object) -> int | None:
    """The pod's port behind a Service port; None when it names one that the pod does not have."""
    target = service_port.get("targetPort") or service_port["port"]
    if isinstance(target, int):
        return target
    protocol = service_port.get("protocol", "TCP")
    for container in _listening_containers(pod):
        for port in container.get("ports") or ():
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def _listening_containers(pod: Object) -> Iterable[Object]:
    yield from pod["spec"].get("containers") or ()
    for container in pod["spec"].get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            yield container


def ports_of(service: Object, pod: Object) -> Ports:
    """The Service's ports as they are at one pod."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = find_port(pod, port)
        if number is not None:
            entry = (port.get("name", ""), port.get("protocol", "TCP"), number, port.get("appProtocol", ""))
            found.append(entry)
    return tuple(found)


def hostname_in(service: Object, pod: Object) -> str:
    """The hostname under which DNS knows the pod in this Service; "" when it asks for none."""
    spec = pod["spec"]
    return spec.get("hostname", "") if spec.get("subdomain") == service["metadata"]["name"] else ""


def target_of(pod: Object) -> Object:
    """A reference to the pod behind an address."""
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def address_type(address: str) -> str:
    """IPv4 or IPv6."""
    return "IPv6" if ipaddress.ip_address(address).version == 6 else "IPv4"


def endpoint_of(service: Object, pod: Object, node: Object | None) -> Object:
    """One endpoint of an EndpointSlice (podToEndpoint)."""
    serving, terminating = is_ready(pod), is_terminating(pod)
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: Object = {
        "addresses": [ip_of(pod)],
        "conditions": {
            "ready": publish or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": target_of(pod),
    }
    if pod["spec"].get("nodeName"):
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    zone = labels_of(node).get(ZONE_LABEL) if node else None
    if zone:
        endpoint["zone"] = zone
    if hostname := hostname_in(service, pod):
        endpoint["hostname"] = hostname
    if hints := hints_for(service["spec"].get("trafficDistribution"), endpoint):
        endpoint["hints"] = hints
    return endpoint


def hints_for(distribution: str | None, endpoint: Object) -> Object:
    """For whom an endpoint is meant, by the Service's trafficDistribution (k8s.io/endpointslice trafficdist).

    Source: KEP-3015. PreferClose is the old name of PreferSameZone; PreferSameNode falls back on the zone.
    """
    hints: Object = {}
    if distribution and endpoint["conditions"]["ready"]:
        if distribution == "PreferSameNode" and "nodeName" in endpoint:
            hints["forNodes"] = [{"name": endpoint["nodeName"]}]
        if "zone" in endpoint:
            hints["forZones"] = [{"name": endpoint["zone"]}]
    return hints


def endpoints_of(
    service: Object, pods: Iterable[Object], node_of: Callable[[str], Object | None]
) -> dict[tuple[str, Ports], list[Object]]:
    """All endpoints of a Service, by what one slice can hold: address type and ports.

    A pod whose node is gone is left out, unless addresses are published whatever their state.
    """
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    found: dict[tuple[str, Ports], list[Object]] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if not may_be_endpoint(pod, include_terminating=True):
            continue
        node = node_of(pod["spec"].get("nodeName", ""))
        if node is None and not publish:
            continue
        group = (address_type(ip_of(pod)), ports_of(service, pod))
        found.setdefault(group, []).append(endpoint_of(service, pod, node))
    return found
