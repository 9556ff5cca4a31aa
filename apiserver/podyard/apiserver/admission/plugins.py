"""The admission plugins, in the order in which they run (kubernetes/plugin/pkg/admission)."""

from __future__ import annotations

from podyard.api.errors import StatusError, forbidden, not_found
from podyard.api.resources import NAMESPACES
from podyard.apiserver.admission import Request
from podyard.apiserver.admission.certificates import certificate_subject_restriction
from podyard.apiserver.admission.node_restriction import node_restriction
from podyard.apiserver.admission.token_volume import mount_token, wants_token
from podyard.apiserver.registry import Object

_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_TOLERATION_SECONDS = 300


def admit(request: Request) -> None:
    """Run every plugin on the request."""
    for plugin in (
        namespace_lifecycle,
        service_account,
        node_restriction,
        default_toleration_seconds,
        priority,
        certificate_subject_restriction,
    ):
        plugin(request)


def namespace_lifecycle(request: Request) -> None:
    """Nothing is created in a namespace that is absent or going; some namespaces stay."""
    resource = request.resource
    if request.operation == "DELETE":
        if resource == NAMESPACES and request.name in _IMMORTAL:
            raise forbidden(resource, request.name, "this namespace may not be deleted")
        return
    if request.operation != "CREATE" or not resource.namespaced:
        return
    namespace = request.objects.lookup("namespaces", "", request.namespace)
    if namespace is None:
        raise not_found(NAMESPACES, request.namespace)
    if "deletionTimestamp" in namespace["metadata"]:
        why = f"unable to create new content in namespace {request.namespace} because it is being terminated"
        error = forbidden(resource, request.name, why)
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {request.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        details = {**error.status["details"], "causes": [cause]}
        raise StatusError({**error.status, "details": details})


def service_account(request: Request) -> None:
    """A pod runs as some ServiceAccount of its namespace: as "default" unless it says which.

    "default" itself may still be on its way: its controller makes it after the namespace.
    """
    spec = _new_pod(request)
    if spec is None:
        return
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = request.objects.lookup("serviceaccounts", request.namespace, name)
    if account is None and name != "default":
        why = (
            f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
        )
        raise forbidden(request.resource, request.name, why)
    if account and account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    if wants_token(spec, account):
        mount_token(spec)


def default_toleration_seconds(request: Request) -> None:
    """A pod stays five minutes on a node that is not ready or cannot be reached."""
    spec = _new_pod(request)
    if spec is None:
        return
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _TOLERATION_SECONDS,
                }
            )
    spec["tolerations"] = tolerations


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")


def priority(request: Request) -> None:
    """The number behind a pod's priority class, or the default class, or 0."""
    spec = _new_pod(request)
    if spec is None:
        return
    name = spec.get("priorityClassName", "")
    if name:
        chosen = request.objects.lookup("priorityclasses.scheduling.k8s.io", "", name)
        if chosen is None:
            raise forbidden(request.resource, request.name, f"no PriorityClass with name {name} was found")
    else:
        classes = request.objects.objects("priorityclasses.scheduling.k8s.io")
        defaults = [found for found in classes if found.get("globalDefault")]
        chosen = min(defaults, key=lambda found: int(found["value"])) if defaults else None
        if chosen:
            spec["priorityClassName"] = chosen["metadata"]["name"]
    value = int(chosen["value"]) if chosen else 0
    if spec.get("priority") not in (None, value):
        why = (
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name"
        )
        raise forbidden(request.resource, request.name, why)
    spec["priority"] = value
    policy = (chosen or {}).get("preemptionPolicy") or "PreemptLowerPriority"
    spec.setdefault("preemptionPolicy", policy)


def _new_pod(request: Request) -> Object | None:
    """The spec of a pod that is being created."""
    if request.operation != "CREATE" or request.obj is None or request.resource.group_resource != "pods":
        return None
    spec: Object = request.obj.setdefault("spec", {})
    return spec
