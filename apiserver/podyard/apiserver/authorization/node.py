"""What a node may do: the Node authorizer (plugin/pkg/auth/authorizer/node/node_authorizer.go).

A node reads the Secrets, ConfigMaps and claims that its pods use, and no others; admission
(`podyard.apiserver.admission.node_restriction`) sees to what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from podyard.apiserver.authorization.references import Reference, references_of
from podyard.apiserver.authorization.roles import (
    BASIC,
    CLUSTER_CONFIG_READER,
    EVENTS,
    SIGNING_REQUESTS,
)
from podyard.apiserver.authorization.rules import READ, Rule
from podyard.apiserver.authz import Attributes, Decision
from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.registry import Stored, User

NODES_GROUP = "system:nodes"
NODE_USER_PREFIX = "system:node:"
LEASE_NAMESPACE = "kube-node-lease"

# Services, their endpoints and namespaces are for the proxy and the DNS server, which have the identity of
# their node where a host has joined.
RULES: tuple[Rule, ...] = (
    *BASIC,
    Rule(("create",), ("authentication.k8s.io",), ("tokenreviews",)),
    Rule(("create",), ("authorization.k8s.io",), ("subjectaccessreviews", "localsubjectaccessreviews")),
    Rule(READ, ("",), ("services", "endpoints", "namespaces")),
    Rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
    Rule(READ, ("node.k8s.io", "storage.k8s.io"), ("runtimeclasses", "csidrivers")),
    EVENTS,
    SIGNING_REQUESTS,
    CLUSTER_CONFIG_READER,
)

_ALLOWED = Decision(True)
_NO_OPINION = Decision(False)


PodsOf = Callable[[str], Iterable[Entry]]
"""Gives the pods that are bound to a node."""


def node_of(user: User) -> str | None:
    """The node that a user is; None for another, "" for one that claims to be one without a name."""
    if NODES_GROUP not in user.groups:
        return None
    name = user.name
    return name.removeprefix(NODE_USER_PREFIX) if name.startswith(NODE_USER_PREFIX) else ""


class NodeAuthorizer:
    """Decides for nodes; `pods` gives those of a node as they are now."""

    def __init__(self, pods: PodsOf) -> None:
        self._pods = pods
        read = self._read_referenced
        self._resources: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): read,
            ("", "configmaps"): read,
            ("", "persistentvolumeclaims"): read,
            ("", "serviceaccounts"): self._create_token,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): _lease,
        }

    def authorize(self, node: str, asked: Attributes) -> Decision:
        """Whether the node `node` may do it."""
        if not node:
            return Decision(False, f'unknown node for user "{asked.user.name}"')
        if any(rule.allows(asked) for rule in RULES):
            return _ALLOWED
        decide = self._resources.get((asked.group, asked.resource))
        return decide(node, asked) if decide else _NO_OPINION

    def _read_referenced(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in READ:
            return Decision(False, "can only read resources of this type")
        if asked.subresource:
            return Decision(False, "cannot read subresource")
        if not asked.namespace:
            return Decision(False, "can only read namespaced object of this type")
        return self._related(node, asked)

    def _create_token(self, node: str, asked: Attributes) -> Decision:
        if asked.verb != "create" or not asked.name:
            return Decision(False, "can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return Decision(False, "can only create token subresource of service account")
        return self._related(node, asked)

    def _pod(self, node: str, asked: Attributes) -> Decision:
        what = (asked.verb, asked.subresource)
        if what == ("get", ""):
            return self._related(node, asked)
        if what in (("list", ""), ("watch", "")):
            if ("spec.nodeName", node) in asked.fields:
                return _ALLOWED
            return Decision(False, "can only list/watch pods with spec.nodeName field selector")
        # Admission allows these for pods of the node alone.
        return Decision(what in (("delete", ""), ("update", "status"), ("patch", "status")))

    def _related(self, node: str, asked: Attributes) -> Decision:
        if not asked.name:
            return Decision(False, "no object name found")
        wanted: Reference = (asked.resource, asked.name)
        for entry in self._pods(node):
            if entry.stored.namespace == asked.namespace and wanted in _references(entry.stored):
                return _ALLOWED
        return Decision(False, f"no relationship found between node '{node}' and this object")


@lru_cache(maxsize=4096)
def _references(pod: Stored) -> frozenset[Reference]:
    return references_of(pod.decode())


def _node(_node: str, asked: Attributes) -> Decision:
    if asked.subresource:
        return Decision(asked.subresource == "status" and asked.verb in ("update", "patch"))
    if asked.verb in READ:
        # All of them: it routes to their pods. In Kubernetes a network plugin does that, as somebody else.
        return _ALLOWED
    # Admission allows it for the node itself alone.
    return Decision(asked.verb in ("create", "update", "patch"))


def _lease(node: str, asked: Attributes) -> Decision:
    if asked.verb not in ("get", "create", "update", "patch", "delete"):
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if asked.namespace != LEASE_NAMESPACE:
        return Decision(False, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if asked.verb != "create" and asked.name != node:
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return _ALLOWED
