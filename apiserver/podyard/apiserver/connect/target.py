"""Which container a stream is for, and why it cannot be had. Wording as kube-apiserver and kubelet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podyard.api.errors import bad_request, internal_error
from podyard.proto.streaming_pb2 import ContainerRef

Object = Mapping[str, Any]

KUBELET_PORT = 10250
"""Where a kubelet listens when its node does not say."""


def choose_container(pod: Object, asked: str) -> str:
    """The container that is meant: the asked one, or the only one. Raises StatusError 400."""
    name = pod["metadata"]["name"]
    regular, init, ephemeral = (
        _names(pod, field) for field in ("containers", "initContainers", "ephemeralContainers")
    )
    if asked:
        if asked not in (*regular, *init, *ephemeral):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(regular) == 1:
        return regular[0]
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
    if init:
        message += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        message += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise bad_request(message)


def _names(pod: Object, field: str) -> list[str]:
    return [str(container["name"]) for container in pod["spec"].get(field) or []]


def check_running(pod: Object, verb: str) -> None:
    """Refuse (400) a stream into a pod that has no node or has ended. `verb`: "exec into", "attach to"."""
    name = pod["metadata"]["name"]
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise bad_request(f"cannot {verb} a container in a completed pod; current phase is {phase}")
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {name} does not have a host assigned")


def node_address(node: Object) -> str:
    """A node's internal address. Raises StatusError 500 when it has none."""
    addresses = (node.get("status") or {}).get("addresses") or []
    for address in addresses:
        if address.get("type") == "InternalIP":
            return str(address["address"])
    raise internal_error(f"no preferred addresses found; known addresses: {addresses}")


def kubelet_port(node: Object) -> int:
    """Where a node's kubelet listens."""
    endpoints = (node.get("status") or {}).get("daemonEndpoints") or {}
    return int((endpoints.get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT)


def kubelet_address(node: Object) -> str:
    """ "HOST:PORT" of a node's kubelet. Raises StatusError 500 when the node has no internal address."""
    host = node_address(node)
    return f"[{host}]:{kubelet_port(node)}" if ":" in host else f"{host}:{kubelet_port(node)}"


def container_ref(pod: Object, container: str) -> ContainerRef:
    """How the kubelet is told which container."""
    metadata = pod["metadata"]
    return ContainerRef(
        namespace=metadata["namespace"],
        pod=metadata["name"],
        uid=metadata.get("uid", ""),
        container=container,
    )
