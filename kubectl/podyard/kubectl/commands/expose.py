"""kubectl expose. Source: k8s.io/kubectl pkg/cmd/expose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import OVERRIDE_FLAGS, SAVE_CONFIG_FLAG, check_overrides, create, overridden
from podyard.kubectl.errors import CommandError
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, wanted
from podyard.kubectl.writing import manager_flag

_LONGEST_NAME = 63
_EXPOSABLE = ("ReplicationController", "Service", "Pod", "Deployment", "ReplicaSet")


def run(session: Session) -> int:
    """Make a Service for the pods of each object."""
    check_overrides(session)
    what = wanted(session)
    what.selector = ""
    for info in find(session, what).all():
        if info.resource.kind not in _EXPOSABLE:
            group = f".{info.resource.group}" if info.resource.group else ""
            raise CommandError(f"cannot expose a {info.resource.kind}{group}")
        create(session, overridden(session, _service(session, info)), "", "exposed")
    return 0


def _service(session: Session, info: Info) -> dict[str, Any]:
    labels = _pairs(session["labels"]) if session["labels"] else info.object["metadata"].get("labels") or {}
    selector = _pairs(session["selector"]) if session["selector"] else selector_of(info)
    metadata: dict[str, Any] = {
        "creationTimestamp": None,
        "name": session["name"] or info.name[:_LONGEST_NAME],
    }
    if labels:
        metadata["labels"] = dict(labels)
    if session.enforce_namespace:
        metadata["namespace"] = session.namespace
    spec: dict[str, Any] = {"selector": selector}
    ports = _ports(session, info)
    if ports:
        spec["ports"] = ports
    if session["external-ip"]:
        spec["externalIPs"] = [session["external-ip"]]
    if session["type"]:
        spec["type"] = session["type"]
    if session["load-balancer-ip"] and session["type"] == "LoadBalancer":
        spec["loadBalancerIP"] = session["load-balancer-ip"]
    affinity = session["session-affinity"]
    if affinity not in ("", "None", "ClientIP"):
        raise CommandError(f"unknown session affinity: {affinity}")
    if affinity:
        spec["sessionAffinity"] = affinity
    if session["cluster-ip"]:
        spec["clusterIP"] = session["cluster-ip"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _pairs(text: str) -> dict[str, str]:
    """`a=b,c=d`. Raises CommandError."""
    found = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise CommandError(f"unexpected label spec: {part}")
        if not key:
            raise CommandError("unexpected empty label key")
        found[key] = value
    return found


def selector_of(info: Info) -> dict[str, str]:
    """The labels by which an object finds its pods. Raises CommandError."""
    obj, problem = info.object, "couldn't retrieve selectors via --selector flag or introspection: "
    if info.resource.kind == "Pod":
        labels = obj["metadata"].get("labels")
        if not labels:
            raise CommandError(f"{problem}the pod has no labels and cannot be exposed")
        return dict(labels)
    selector = obj["spec"].get("selector")
    if info.resource.kind in ("Service", "ReplicationController"):
        if not selector:
            raise CommandError(f"{problem}the {info.resource.kind.lower()} has no pod selector set")
        return dict(selector)
    if (selector or {}).get("matchExpressions"):
        raise CommandError(
            f'{problem}couldn\'t convert expressions - "{selector["matchExpressions"]}" to map-based '
            "selector format"
        )
    return dict((selector or {}).get("matchLabels") or {})


def _found_ports(info: Info) -> Iterator[tuple[int, str]]:
    """The ports of an object with their protocols."""
    spec = info.object["spec"]
    if info.resource.kind == "Service":
        for port in spec.get("ports") or ():
            yield port["port"], port.get("protocol", "TCP")
        return
    pod = spec if info.resource.kind == "Pod" else spec["template"]["spec"]
    for container in pod.get("containers") or ():
        for port in container.get("ports") or ():
            yield port["containerPort"], port.get("protocol", "TCP")


def _ports(session: Session, info: Info) -> list[dict[str, Any]]:
    protocols: dict[int, list[str]] = {}
    listed: list[int] = []
    for port, protocol in _found_ports(info):
        listed.append(port)
        if protocol not in protocols.setdefault(port, []):
            protocols[port].append(protocol)
    numbers = _numbers(session["port"]) if session["port"] else list(dict.fromkeys(listed))
    if not numbers and session["cluster-ip"] != "None":
        raise CommandError("couldn't find port via --port flag or introspection")
    made = []
    for place, number in enumerate(numbers, 1):
        name = f"port-{place}" if len(numbers) > 1 else ""
        chosen = [session["protocol"]] if session["protocol"] else protocols.get(number) or ["TCP"]
        for protocol in chosen:
            full = f"port-{place}-{protocol.lower()}" if len(chosen) > 1 else name
            target = _target(session["target-port"]) if session["target-port"] else number
            named = {"name": full} if full else {}
            made.append({**named, "port": number, "protocol": protocol, "targetPort": target})
    return made


def _numbers(text: str) -> list[int]:
    for part in text.split(","):
        if not part.isdigit():
            raise CommandError(f'strconv.Atoi: parsing "{part}": invalid syntax')
    return [int(part) for part in text.split(",")]


def _target(text: str) -> int | str:
    return int(text) if text.isdigit() else text


COMMAND = Command(
    "expose (-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] "
    "[--target-port=number-or-name] [--name=name] [--external-ip=external-ip-of-service] [--type=type]",
    "Take a deployment, service, replica set or pod and expose it as a new Kubernetes service",
    run,
    (
        *FILE_FLAGS,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        SAVE_CONFIG_FLAG,
        *OVERRIDE_FLAGS,
        manager_flag("kubectl-expose"),
        Flag("port", "The port that the service should serve on."),
        Flag("protocol", "The network protocol for the service to be created. Default is 'TCP'."),
        Flag("target-port", "Name or number for the port on the container."),
        Flag("type", "Type for this service: ClusterIP, NodePort, LoadBalancer, or ExternalName."),
        Flag("name", "The name for the newly created object."),
        Flag("labels", "Labels to apply to the service created by this call.", short="l"),
        Flag("selector", "A label selector to use for this service."),
        Flag("external-ip", "Additional external IP address to accept for the service."),
        Flag("load-balancer-ip", "IP to assign to the LoadBalancer."),
        Flag("session-affinity", "legal values: 'None', 'ClientIP'"),
        Flag("cluster-ip", "ClusterIP to be assigned to the service; 'None' for a headless service."),
    ),
    "kubectl expose deployment nginx --port=80 --target-port=8000",
)
