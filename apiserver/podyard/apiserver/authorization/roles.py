"""What each component of a cluster may do, and who asks to become a node.

Named and cut as the ClusterRoles that Kubernetes and kubeadm make
(plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go; kubeadm/app/phases/bootstraptoken/node).
"""

from __future__ import annotations

from podyard.apiserver.authorization.rules import READ, Rule
from podyard.apiserver.registry import User

ADMINISTRATORS = "system:masters"
BOOTSTRAPPERS = "system:bootstrappers"
ANONYMOUS = "system:anonymous"

CLUSTER_CONFIG = "podyard-config"
"""The ConfigMap of kube-system that tells a host that joins what it must know."""

_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")
_INFO = ("/healthz", "/livez", "/readyz", "/version")
_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")

# system:discovery, system:public-info-viewer, system:basic-user
BASIC: tuple[Rule, ...] = (
    Rule(("get", "head"), paths=(*_DISCOVERY, *_INFO)),
    Rule(("create",), ("authorization.k8s.io",), _REVIEWS),
    Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
)

EVENTS = Rule(("create", "patch", "update"), ("", "events.k8s.io"), ("events",))
SIGNING_REQUESTS = Rule(("create", *READ), ("certificates.k8s.io",), ("certificatesigningrequests",))
CLUSTER_CONFIG_READER = Rule(("get",), ("",), ("configmaps",), (CLUSTER_CONFIG,), "kube-system")
PROXIER: tuple[Rule, ...] = (
    Rule(READ, ("",), ("services", "endpoints", "nodes")),
    Rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
    EVENTS,
)

_PUBLIC = (
    Rule(("get", "head"), paths=_INFO),
    Rule(("get", "watch"), ("",), ("configmaps",), ("cluster-info",), "kube-public"),
)

_BOOTSTRAPPER = (
    SIGNING_REQUESTS,
    Rule(("get",), ("",), ("nodes",)),  # is the name taken?
    CLUSTER_CONFIG_READER,
)

_DNS = (
    Rule(READ, ("",), ("endpoints", "services", "pods", "namespaces")),
    Rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
    # It keeps its own Service.
    Rule(("create", "update", "delete"), ("",), ("services", "endpoints"), namespace="kube-system"),
    Rule(
        ("create", "update", "delete"),
        ("discovery.k8s.io",),
        ("endpointslices",),
        namespace="kube-system",
    ),
)

# The controllers have one identity between them, the scheduler among them. Namespaces and the garbage
# collector read and delete objects of every kind.
_CONTROLLERS = (
    Rule((*READ, "delete", "deletecollection", "update", "patch"), ("*",), ("*",)),
    Rule(
        ("create",),
        ("",),
        ("pods", "pods/binding", "endpoints", "secrets", "configmaps", "serviceaccounts",
         "serviceaccounts/token"),
    ),
    Rule(
        ("create",),
        ("apps", "batch", "discovery.k8s.io", "coordination.k8s.io"),
        ("replicasets", "controllerrevisions", "jobs", "endpointslices", "leases"),
    ),
    EVENTS,
)  # fmt: skip

_GATE = (Rule(READ, ("",), ("services", "nodes")),)

_USERS: dict[str, tuple[Rule, ...]] = {
    "system:kube-controller-manager": _CONTROLLERS,
    "system:kube-proxy": PROXIER,
    "system:coredns": _DNS,
    "system:podyard:gate": _GATE,
    "kube-apiserver": (),
}


def rules_of(user: User) -> tuple[Rule, ...] | None:
    """All that the user may do; None when no role says it."""
    if user.name == ANONYMOUS:
        return _PUBLIC
    if BOOTSTRAPPERS in user.groups:
        return (*BASIC, *_BOOTSTRAPPER)
    own = _USERS.get(user.name)
    return None if own is None else (*BASIC, *own)
