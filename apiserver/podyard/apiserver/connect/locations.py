"""Where a proxied request goes: which port of which pod or node. Wording as kube-apiserver's."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podyard.api.errors import StatusError, bad_request, service_unavailable
from podyard.api.resources import ENDPOINTS, NODES, PODS, SERVICES, Resource
from podyard.apiserver.connect.target import kubelet_port, node_address
from podyard.apiserver.registry import Registry

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the path for the name: [SCHEME:]NAME[:PORT]."""

    scheme: str
    name: str
    port: str

    @property
    def tls(self) -> bool:
        """Whether HTTPS is to be spoken."""
        return self.scheme == "https"


@dataclass(frozen=True, slots=True)
class PodPort:
    """A port of a pod."""

    pod: Object
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class NodePort:
    """A port of a node."""

    address: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class KubeletApi:
    """The kubelet itself."""

    node: Object


Location = PodPort | NodePort | KubeletApi


def parse_name(resource: Resource, text: str) -> Asked:
    """Read [SCHEME:]NAME[:PORT]. Raises StatusError 400."""
    parts = text.split(":")
    if len(parts) < 3:
        parts = ["", *parts]
    if len(parts) < 3:
        parts.append("")
    scheme, name, port, *more = parts
    if more or not name or scheme not in ("", "http", "https"):
        raise bad_request(f'invalid {resource.kind.lower()} request "{text}"')
    return Asked(scheme, name, port)


class Locations:
    """Finds them, from what is stored."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def find(self, resource: Resource, namespace: str, name: str) -> Location:
        """Where a request to `name` goes. Raises StatusError: 400, 404, or 503 when nobody is there."""
        asked = parse_name(resource, name)
        if resource == NODES:
            return node_location(await self._get(NODES, "", asked.name), asked)
        if resource == PODS:
            return pod_location(await self._get(PODS, namespace, asked.name), asked)
        return await self._service(namespace, name, asked)

    async def _get(self, resource: Resource, namespace: str, name: str) -> Object:
        return (await self._registry.get(resource, namespace, name)).decode()

    async def _service(self, namespace: str, text: str, asked: Asked) -> PodPort:
        port = asked.port
        if port.isdecimal():
            port = port_name(await self._get(SERVICES, namespace, asked.name), int(port))
        endpoints = await self._get(ENDPOINTS, namespace, asked.name)
        if not endpoints.get("subsets"):
            raise service_unavailable(f'no endpoints available for service "{asked.name}"')
        for pod_name, ip, number in candidates(endpoints, namespace, port):
            try:
                pod = await self._get(PODS, namespace, pod_name)
            except StatusError:
                continue  # gone; the endpoints do not know yet
            if pod.get("status", {}).get("podIP") == ip:
                return PodPort(pod, number, asked.tls)
        raise service_unavailable(f'no endpoints available for service "{text}"')


def port_name(service: Object, number: int) -> str:
    """The name of a Service's port. Raises StatusError 503 when there is none of this number."""
    for port in service["spec"].get("ports") or ():
        if port["port"] == number:
            return str(port.get("name", ""))
    name = service["metadata"]["name"]
    raise service_unavailable(f'no service port {number} found for service "{name}"')


def candidates(endpoints: Object, namespace: str, port: str) -> Iterator[tuple[str, str, int]]:
    """Pod, address and port number of every ready pod behind the port of this name, in random order."""
    subsets = list(endpoints.get("subsets") or ())
    for subset in random.sample(subsets, len(subsets)):
        numbers = [p["port"] for p in subset.get("ports") or () if p.get("name", "") == port]
        addresses = list(subset.get("addresses") or ())
        for address in random.sample(addresses, len(addresses)):
            ref = address.get("targetRef") or {}
            if numbers and ref.get("kind") == "Pod" and ref.get("namespace") == namespace:
                yield ref["name"], address["ip"], numbers[0]


def pod_location(pod: Object, asked: Asked) -> PodPort:
    """A pod's port: the asked one, else its first. Raises StatusError."""
    if not pod.get("status", {}).get("podIP") or not pod["spec"].get("nodeName"):
        raise bad_request("address not allowed")
    containers = pod["spec"]["containers"]
    ports = [port["containerPort"] for container in containers for port in container.get("ports") or ()]
    first = ports[0] if ports else 443 if asked.tls else 80
    return PodPort(pod, _number(asked.port) if asked.port else first, asked.tls)


def node_location(node: Object, asked: Asked) -> NodePort | KubeletApi:
    """A node's port; its kubelet when no port or the kubelet's own is asked for. Raises StatusError."""
    if not asked.port or _number(asked.port) == kubelet_port(node):
        return KubeletApi(node)
    return NodePort(node_address(node), _number(asked.port), asked.tls)


def _number(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise service_unavailable(f"error trying to reach service: dial tcp: lookup tcp/{text}: unknown port")
