"""Services, endpoints, Ingresses and what else is of the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podyard.apiserver.table import NONE, UNSET, Cells, Object, Printer, columns
from podyard.apiserver.table.fields import age, dig, items, label_selector, labels, limited, name


def _service(obj: Object, now: float) -> Cells:
    addresses = items(obj, "spec", "clusterIPs")
    internal = addresses[0] if addresses else dig(obj, "spec", "clusterIP")
    return [
        name(obj),
        dig(obj, "spec", "type"),
        internal or NONE,
        _external_ip(obj),
        _ports(obj),
        age(obj, now),
        labels(dig(obj, "spec", "selector")),
    ]


def _external_ip(service: Object) -> str:
    own = [str(ip) for ip in items(service, "spec", "externalIPs")]
    kind = dig(service, "spec", "type")
    if kind == "ExternalName":
        return str(dig(service, "spec", "externalName") or "")
    if kind == "LoadBalancer":
        given = _load_balancer(items(service, "status", "loadBalancer", "ingress"))
        return ",".join([*given, *own]) or "<pending>"
    return ",".join(own) or NONE


def _load_balancer(ingress: list[Any]) -> list[str]:
    return sorted(
        {str(i.get("ip") or i.get("hostname")) for i in ingress if i.get("ip") or i.get("hostname")}
    )


def _ports(service: Object) -> str:
    texts = []
    for port in items(service, "spec", "ports"):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _endpoints(obj: Object, now: float) -> Cells:
    return [name(obj), limited(_endpoint_addresses(obj), 3, NONE), age(obj, now)]


def _endpoint_addresses(endpoints: Object) -> Iterator[str]:
    for subset in items(endpoints, "subsets"):
        addresses = [str(a.get("ip")) for a in items(subset, "addresses")]
        ports = [port.get("port") for port in items(subset, "ports")]
        if not ports:
            yield from addresses
        for port in ports:
            for address in addresses:
                yield f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoint_slice(obj: Object, now: float) -> Cells:
    ports = [str(p.get("port") or p.get("name") or "*") for p in items(obj, "ports")]
    addresses = [str(a) for endpoint in items(obj, "endpoints") for a in items(endpoint, "addresses")]
    return [
        name(obj),
        dig(obj, "addressType"),
        limited(ports, 3, UNSET),
        limited(addresses, 3, UNSET),
        age(obj, now),
    ]


def _ingress(obj: Object, now: float) -> Cells:
    hosts = [str(rule["host"]) for rule in items(obj, "spec", "rules") if rule.get("host")]
    return [
        name(obj),
        dig(obj, "spec", "ingressClassName") or NONE,
        limited(hosts, 3, "*"),
        ",".join(_load_balancer(items(obj, "status", "loadBalancer", "ingress"))),
        "80, 443" if items(obj, "spec", "tls") else "80",
        age(obj, now),
    ]


def _ingress_class(obj: Object, now: float) -> Cells:
    parameters = NONE
    if found := dig(obj, "spec", "parameters"):
        group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
        parameters = f"{found.get('kind')}{group}/{found.get('name')}"
    return [name(obj), dig(obj, "spec", "controller"), parameters, age(obj, now)]


def _network_policy(obj: Object, now: float) -> Cells:
    return [name(obj), label_selector(dig(obj, "spec", "podSelector")), age(obj, now)]


def _service_cidr(obj: Object, now: float) -> Cells:
    return [name(obj), ",".join(items(obj, "spec", "cidrs")), age(obj, now)]


def _ip_address(obj: Object, now: float) -> Cells:
    parent = dig(obj, "spec", "parentRef") or {}
    fields = ("group", "resource", "namespace", "name")
    text = "/".join(str(parent[field]) for field in fields if parent.get(field))
    return [name(obj), text, age(obj, now)]


PRINTERS = {
    ("", "services"): Printer(
        columns("Name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector*"), _service
    ),
    ("", "endpoints"): Printer(columns("Name | Endpoints | Age"), _endpoints),
    ("discovery.k8s.io", "endpointslices"): Printer(
        columns("Name | AddressType | Ports | Endpoints | Age"), _endpoint_slice
    ),
    ("networking.k8s.io", "ingresses"): Printer(
        columns("Name | Class | Hosts | Address | Ports | Age"), _ingress
    ),
    ("networking.k8s.io", "ingressclasses"): Printer(
        columns("Name | Controller | Parameters | Age"), _ingress_class
    ),
    ("networking.k8s.io", "networkpolicies"): Printer(columns("Name | Pod-Selector | Age"), _network_policy),
    ("networking.k8s.io", "servicecidrs"): Printer(columns("Name | CIDRs | Age"), _service_cidr),
    ("networking.k8s.io", "ipaddresses"): Printer(columns("Name | ParentRef | Age"), _ip_address),
}
