"""A pod's hostPorts (makePortMappings of pkg/kubelet/container/helpers.go). Pure."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.runtime import PortMapping

Object = dict[str, Any]

ANY_ADDRESS = ("", "0.0.0.0", "::")
PROTOCOLS = ("TCP", "UDP")


def port_mappings(pod: Object, node_ip: str) -> tuple[PortMapping, ...]:
    """The ports of the node that lead to the pod. One without a hostIP is on the node's address.

    On the host's network there are none: what listens there listens on the node.
    """
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        return ()
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return tuple(
        PortMapping(
            host_ip=node_ip if (port.get("hostIP") or "") in ANY_ADDRESS else port["hostIP"],
            host_port=port["hostPort"],
            container_port=port["containerPort"],
            protocol=port.get("protocol") or "TCP",
        )
        for container in (*sidecars, *spec["containers"])
        for port in container.get("ports") or ()
        if port.get("hostPort") and (port.get("protocol") or "TCP") in PROTOCOLS
    )
