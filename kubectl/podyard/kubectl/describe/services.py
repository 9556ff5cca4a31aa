"""Services, Endpoints and EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podyard.kubectl.describe.events import describe_events
from podyard.kubectl.describe.lines import NONE, Lines, go_bool, heading, labels_and_annotations
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session

Object = dict[str, Any]

UNSET = "<unset>"
_SHOWN_ENDPOINTS = 3


def service(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A Service and its endpoints."""
    lines = Lines()
    spec = obj["spec"]
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    selector = spec.get("selector") or {}
    lines.named("Selector", ",".join(f"{key}={selector[key]}" for key in sorted(selector)) or NONE)
    lines.named("Type", spec.get("type", ""))
    if spec.get("ipFamilyPolicy"):
        lines.named("IP Family Policy", spec["ipFamilyPolicy"])
    lines.named("IP Families", ",".join(spec.get("ipFamilies") or ()) or NONE)
    lines.named("IP", spec.get("clusterIP", ""))
    lines.named("IPs", ",".join(spec.get("clusterIPs") or ()) or NONE)
    if spec.get("externalIPs"):
        lines.named("External IPs", ",".join(spec["externalIPs"]))
    for name, field in (("Desired LoadBalancer IP", "loadBalancerIP"), ("External Name", "externalName")):
        if spec.get(field):
            lines.named(name, spec[field])
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if ingress:
        lines.named("LoadBalancer Ingress", ", ".join(map(_ingress, ingress)))
    slices = _slices(session, obj["metadata"])
    for port in spec.get("ports") or ():
        _port(lines, port, slices)
    lines.named("Session Affinity", spec.get("sessionAffinity", ""))
    for name, field in (
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
        ("HealthCheck NodePort", "healthCheckNodePort"),
    ):
        if spec.get(field):
            lines.named(name, spec[field])
    if spec.get("loadBalancerSourceRanges"):
        lines.named("LoadBalancer Source Ranges", ",".join(spec["loadBalancerSourceRanges"]))
    describe_events(lines, events)
    return lines.text()


def _ingress(point: Object) -> str:
    if not point.get("ip"):
        return str(point.get("hostname", ""))
    mode = f" ({point['ipMode']})" if point.get("ipMode") else ""
    return f"{point['ip']}{mode}"


def _slices(session: Session, metadata: Object) -> list[Object]:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{metadata['namespace']}/endpointslices"
    query = {"labelSelector": f"kubernetes.io/service-name={metadata['name']}"}
    try:
        return list(session.transport.json("GET", path, query=query).get("items") or ())
    except CommandError:
        return []


def _port(lines: Lines, port: Object, slices: Sequence[Object]) -> None:
    name, protocol = port.get("name") or UNSET, port.get("protocol", "")
    lines.named("Port", f"{name}\t{port['port']}/{protocol}")
    lines.named("TargetPort", f"{port.get('targetPort', 0)}/{protocol}")
    if port.get("nodePort"):
        lines.named("NodePort", f"{name}\t{port['nodePort']}/{protocol}")
    lines.named("Endpoints", format_endpoints(slices, port.get("name") or ""))


def format_endpoints(slices: Sequence[Object], port_name: str) -> str:
    """The first ready addresses behind a port, and how many more there are."""
    if not slices:
        return NONE
    found: list[str] = []
    for one in slices:
        ports = [port for port in one.get("ports") or () if (port.get("name") or "") == port_name]
        if not one.get("ports"):
            found += _ready(one)
        for port in ports:
            found += [_host_port(address, port.get("port", 0)) for address in _ready(one)]
    shown = ",".join(found[:_SHOWN_ENDPOINTS])
    more = len(found) - _SHOWN_ENDPOINTS
    return f"{shown} + {more} more..." if more > 0 else shown


def _ready(one: Object) -> Iterable[str]:
    for endpoint in one.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready", True):
            yield endpoint["addresses"][0]


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def endpoints(session: Session, obj: Object, events: list[Object] | None) -> str:
    """Endpoints."""
    lines = Lines()
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    lines.add("Subsets:")
    for subset in obj.get("subsets") or ():
        for name, field in (("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")):
            listed = ",".join(address["ip"] for address in subset.get(field) or ())
            lines.named(name, listed or NONE, 1)
        if subset.get("ports"):
            lines.add("Ports:", 1)
            _ports(lines, subset["ports"], 2)
        lines.add("")
    describe_events(lines, events)
    return lines.text()


def _ports(lines: Lines, ports: Sequence[Object], level: int) -> None:
    lines.add("Name\tPort\tProtocol", level)
    lines.add("----\t----\t--------", level)
    for port in ports:
        number = port.get("port", UNSET)
        lines.add(f"{port.get('name') or UNSET}\t{number}\t{port.get('protocol', '')}", level)


def endpoint_slice(session: Session, obj: Object, events: list[Object] | None) -> str:
    """An EndpointSlice."""
    lines = Lines()
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    lines.named("AddressType", obj.get("addressType", ""))
    if obj.get("ports"):
        lines.add("Ports:")
        _ports(lines, obj["ports"], 1)
    else:
        lines.add(f"Ports: {UNSET}")
    found = obj.get("endpoints") or ()
    lines.add("Endpoints:" if found else f"Endpoints: {NONE}")
    for endpoint in found:
        lines.add(f"- Addresses:\t{', '.join(endpoint.get('addresses') or ()) or NONE}", 1)
        lines.add("Conditions:", 2)
        ready = (endpoint.get("conditions") or {}).get("ready")
        lines.named("Ready", UNSET if ready is None else go_bool(ready), 3)
        lines.named("Hostname", endpoint.get("hostname", UNSET), 2)
        target = endpoint.get("targetRef")
        if target:
            lines.named("TargetRef", f"{target.get('kind', '')}/{target.get('name', '')}", 2)
        lines.named("NodeName", endpoint.get("nodeName", UNSET), 2)
        lines.named("Zone", endpoint.get("zone", UNSET), 2)
    describe_events(lines, events)
    return lines.text()
