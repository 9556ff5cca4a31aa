"""kubectl cluster-info."""

from __future__ import annotations

import sys

from podyard.kubectl.commands import Command
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Show where the control plane and the cluster's services are."""
    namespace = session.namespace if session.enforce_namespace else "kube-system"
    found = session.transport.json(
        "GET",
        f"/api/v1/namespaces/{namespace}/services",
        query={"labelSelector": "kubernetes.io/cluster-service=true"},
    )
    colour = sys.stdout.isatty()
    _line(session, "Kubernetes control plane", session.transport.server, colour)
    for service in found.get("items") or ():
        metadata, spec = service["metadata"], service["spec"]
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        ports = spec.get("ports") or [{"port": 80}]
        if ingress:
            address = ingress[0].get("ip") or ingress[0].get("hostname", "")
            link = " ".join(f"http://{address}:{port['port']}" for port in ports) + " "
        else:
            name = metadata["name"]
            port = ports[0]
            scheme = "https:" if port.get("name") == "https" or port.get("port") == 443 else ""
            named = f"{scheme}{name}:{port['name']}" if port.get("name") else f"{scheme}{name}"
            path = f"/api/v1/namespaces/{metadata['namespace']}/services/{named}/proxy"
            link = session.transport.server + path
        labels = metadata.get("labels") or {}
        _line(session, labels.get("kubernetes.io/name") or metadata["name"], link, colour)
    session.out("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n")
    return 0


def _line(session: Session, name: str, link: str, colour: bool) -> None:
    if colour:
        name, link = f"\x1b[0;32m{name}\x1b[0m", f"\x1b[0;33m{link}\x1b[0m"
    session.out(f"{name} is running at {link}\n")


COMMAND = Command("cluster-info", "Display cluster information", run)
