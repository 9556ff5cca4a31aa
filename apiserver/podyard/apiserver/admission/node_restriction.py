"""A node changes nothing but what is its own (plugin/pkg/admission/noderestriction/admission.go).

The Node authorizer has let the request pass by its verb; what it would do shows here.
"""

from __future__ import annotations

from collections.abc import Callable

from podyard.api.errors import StatusError, forbidden
from podyard.apiserver.admission import Request
from podyard.apiserver.authorization.node import node_of
from podyard.apiserver.registry import Object

_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
_OWN_LABEL_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")


def node_restriction(request: Request) -> None:
    """Refuse (403) what a node may not write. Others are no business of this plugin."""
    node = node_of(request.user)
    if node is None:
        return
    check = _CHECKS.get((request.resource.group, request.resource.plural))
    if check is not None and (why := check(request, node)):
        raise _refusal(request, why)


def _refusal(request: Request, why: str) -> StatusError:
    return forbidden(request.resource, request.name, why)


def _pod(request: Request, node: str) -> str:
    pod = request.old or {}
    if request.operation == "CREATE":
        return f'node "{node}" can only create mirror pods, and this server has none'
    bound = (pod.get("spec") or {}).get("nodeName", "") == node
    if request.operation == "DELETE":
        return "" if bound else f'node "{node}" can only delete pods with spec.nodeName set to itself'
    if request.subresource != "status":
        return f'node "{node}" cannot update pods'
    if not bound:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if _changed(request, "labels"):
        return f'node "{node}" cannot update labels through pod status'
    return ""


def _node(request: Request, node: str) -> str:
    if request.name != node:
        return f'node "{node}" is not allowed to modify node "{request.name}"'
    new = request.obj or {}
    labels = (new.get("metadata") or {}).get("labels") or {}
    networks = _pod_networks(new)
    if request.operation == "CREATE":
        if any(networks):  # Kubernetes lets it; here the other nodes send there whatever goes to its range
            return f'node "{node}" is not allowed to set podCIDRs'
        reserved = sorted(label for label in labels if not _may_label(label))
        if reserved:
            return f'node "{node}" is not allowed to set the following labels: {", ".join(reserved)}'
        return ""
    if request.operation == "UPDATE":
        old = request.old or {}
        if (new.get("spec") or {}).get("taints") != (old.get("spec") or {}).get("taints"):
            return f'node "{node}" is not allowed to modify taints'
        if networks != _pod_networks(old):
            return f'node "{node}" is not allowed to modify podCIDRs'
        if _changed(request, "ownerReferences"):
            return f'node "{node}" is not allowed to modify ownerReferences'
        before = (old.get("metadata") or {}).get("labels") or {}
        changed = {label for label in {*labels, *before} if labels.get(label) != before.get(label)}
        reserved = sorted(label for label in changed if not _may_label(label))
        if reserved:
            return f'node "{node}" is not allowed to modify labels: {", ".join(reserved)}'
    return ""


def _pod_networks(node: Object) -> tuple[object, object]:
    spec = node.get("spec") or {}
    return spec.get("podCIDR"), spec.get("podCIDRs")


def _lease(request: Request, node: str) -> str:
    if request.name != node:
        return "can only access node lease with the same name as the requesting node"
    return ""


def _token(request: Request, node: str) -> str:
    """A node asks for tokens that end with pods of its own, and only for those that they mount."""
    if request.subresource != "token":
        return ""
    spec = (request.obj or {}).get("spec") or {}
    bound = spec.get("boundObjectRef") or {}
    if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
        return "node requested token not bound to a pod"
    if not bound.get("uid"):
        return "node requested token with a pod binding without a uid"
    pod = request.objects.lookup("pods", request.namespace, bound["name"])
    if pod is None:
        return ""  # 404
    if (pod.get("spec") or {}).get("nodeName") != node:
        return "node requested token bound to a pod scheduled on a different node"
    asked = spec.get("audiences") or [""]
    if len(asked) > 1:
        return "node may only request 0 or 1 audiences"
    if asked[0] not in _audiences(pod):
        return f'node "{node}" is not authorized to request tokens for audience "{asked[0]}"'
    return ""


def _audiences(pod: Object) -> frozenset[str]:
    """Whom a pod's tokens are for: the API is "" (ServiceAccountNodeAudienceRestriction)."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    sources = (source for v in volumes for source in (v.get("projected") or {}).get("sources") or ())
    tokens = (source["serviceAccountToken"] for source in sources if source.get("serviceAccountToken"))
    return frozenset(token.get("audience") or "" for token in tokens)


def _changed(request: Request, key: str) -> bool:
    new, old = request.obj or {}, request.old or {}
    return ((new.get("metadata") or {}).get(key) or None) != ((old.get("metadata") or {}).get(key) or None)


def _may_label(label: str) -> bool:
    """Labels of Kubernetes' own namespaces are not for nodes to set, but for those that describe them."""
    namespace = label.rpartition("/")[0]
    if label in _OWN_LABELS or any(_within(namespace, own) for own in _OWN_LABEL_NAMESPACES):
        return True
    return not (_within(namespace, "kubernetes.io") or _within(namespace, "k8s.io"))


def _within(namespace: str, parent: str) -> bool:
    return namespace == parent or namespace.endswith(f".{parent}")


_CHECKS: dict[tuple[str, str], Callable[[Request, str], str]] = {
    ("", "pods"): _pod,
    ("", "nodes"): _node,
    ("", "serviceaccounts"): _token,
    ("coordination.k8s.io", "leases"): _lease,
}
