"""kubectl create service clusterip; and how Services of all types are made."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

TCP_FLAG = Flag("tcp", "Port pairs can be specified as '<port>:<targetPort>'.", kind="strings")


def run(session: Session) -> int:
    """Make a Service that is reached inside of the cluster."""
    address = session["clusterip"]
    if not session["tcp"] and address != "None":
        raise CommandError("at least one tcp port specifier must be provided")
    create_service(session, "ClusterIP", {"clusterIP": address} if address else {})
    return 0


def create_service(session: Session, service_type: str, more: dict[str, Any]) -> None:
    """Create a Service of a type; its pods are those with the label app=NAME."""
    name = only_name(session)
    node_port = session.flags.values.get("node-port", 0)
    ports = []
    for text in session["tcp"]:
        port, target = parse_ports(text)
        made = {"name": text.replace(":", "-"), "port": port, "protocol": "TCP", "targetPort": target}
        ports.append({**made, "nodePort": node_port} if node_port else made)
    spec: dict[str, Any] = {"selector": {"app": name}, "type": service_type, **more}
    if ports:
        spec["ports"] = ports
    obj = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata(session, name), "labels": {"app": name}},
        "spec": spec,
        "status": {"loadBalancer": {}},
    }
    create(session, obj, f"failed to create {service_type} service:")


def parse_ports(text: str) -> tuple[int, int | str]:
    """`PORT` or `PORT:TARGET`. Raises CommandError."""
    port, colon, target = text.partition(":")
    if not port.isdigit() or int(port) > 65535:
        raise CommandError(f'strconv.ParseUint: parsing "{port}": invalid syntax')
    if not colon:
        return int(port), int(port)
    if target.isdigit() and not 1 <= int(target) <= 65535:
        raise CommandError("must be between 1 and 65535, inclusive")
    return int(port), int(target) if target.isdigit() else target


COMMAND = Command(
    "create service clusterip NAME [--tcp=<port>:<targetPort>]",
    "Create a ClusterIP service with the specified name",
    run,
    (
        TCP_FLAG,
        Flag("clusterip", "Assign your own ClusterIP or set to 'None' for a 'headless' service."),
        *CREATE_FLAGS,
    ),
    "kubectl create service clusterip my-cs --tcp=5678:8080",
)
