"""What `kubectl describe` shows of an object, one function a kind.

A describer takes the session, the object and its events (None when they are not wanted) and gives
text whose tabs `describe` aligns. A kind without one is shown field by field.
Source of the texts: k8s.io/kubectl pkg/describe/describe.go.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from podyard.kubectl.finder import Info
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import tabbed

Object = dict[str, Any]
Events = list[Object] | None
Describer = Callable[[Session, Object, Events], str]

DESCRIBERS: Mapping[tuple[str, str], str] = {
    ("", "Pod"): "pods.pod",
    ("", "Service"): "services.service",
    ("", "Endpoints"): "services.endpoints",
    ("discovery.k8s.io", "EndpointSlice"): "services.endpoint_slice",
    ("apps", "Deployment"): "workloads.deployment",
    ("apps", "ReplicaSet"): "workloads.replica_set",
    ("apps", "StatefulSet"): "workloads.stateful_set",
    ("apps", "DaemonSet"): "workloads.daemon_set",
    ("batch", "Job"): "workloads.job",
    ("", "Node"): "nodes.node",
    ("", "Secret"): "configuration.secret",
    ("", "ConfigMap"): "configuration.config_map",
    ("", "ServiceAccount"): "configuration.service_account",
    ("", "Namespace"): "namespaces.namespace",
}
"""Group and kind: module and function."""


def describe(session: Session, info: Info, show_events: bool = True) -> str:
    """The description of one object, which is fetched anew. Raises ApiError."""
    from podyard.kubectl.describe.events import search_events

    obj = session.transport.json("GET", info.path)
    obj = {"apiVersion": info.resource.group_version, "kind": info.resource.kind, **obj}
    events = search_events(session, obj) if show_events else None
    where = DESCRIBERS.get((info.resource.group, info.resource.kind), "generic.anything")
    module, _, function = where.partition(".")
    describer: Describer = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return tabbed(describer(session, obj, events))
