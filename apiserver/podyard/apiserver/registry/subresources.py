"""Sub-resources that are more than a part of the object: scale, binding, eviction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from podyard.api.disruption import Disruptions, Find, covers, disruptions, may_evict
from podyard.api.errors import FieldError, StatusError, conflict, invalid, status_error
from podyard.api.resources import PODS, Resource
from podyard.api.selectors import from_label_selector, from_map
from podyard.api.times import to_rfc3339
from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import Context, keep

SCALE = Resource("autoscaling", "v1", "scales", "Scale")
EVICTION = Resource("policy", "v1", "evictions", "Eviction")

_SCALE_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def to_scale(obj: Object) -> Object:
    """The Scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    selector = spec.get("selector")
    by_map = obj["kind"] == "ReplicationController"
    text = str(from_map(selector) if by_map else from_label_selector(selector))
    own = {key: obj["metadata"][key] for key in _SCALE_METADATA if key in obj["metadata"]}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": own,
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {"replicas": status.get("replicas", 0), **({"selector": text} if text else {})},
    }


def apply_scale(obj: Object, scale: Object) -> Object:
    """The object with the replicas that a Scale asks for. StatusError 422."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        error = FieldError("spec.replicas", "FieldValueInvalid", message)
        raise invalid(SCALE, obj["metadata"]["name"], [error])
    given = scale.get("metadata") or {}
    own = {**obj["metadata"], "resourceVersion": given.get("resourceVersion", "")}
    if given.get("uid"):
        own["uid"] = given["uid"]
    return {**obj, "metadata": own, "spec": {**obj.get("spec", {}), "replicas": replicas}}


def bind(pod: Object, binding: Object, now: float) -> Object:
    """The pod on its node. 409 when it cannot be put there (pkg/registry/core/pod assignPod)."""
    own, spec = pod["metadata"], pod.get("spec", {})
    given = binding.get("metadata") or {}
    name = own["name"]
    why = ""
    if given.get("uid") and given["uid"] != own["uid"]:
        why = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {own['uid']}"
    elif "deletionTimestamp" in own:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
    if why:
        raise conflict(replace(PODS, plural="pods/binding"), name, why)
    metadata = {**own}
    for key in ("annotations", "labels"):
        if given.get(key):
            metadata[key] = {**own.get(key, {}), **given[key]}
    status = pod.get("status", {})
    others = [c for c in status.get("conditions") or () if c["type"] != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": to_rfc3339(now),
    }
    return {
        **pod,
        "metadata": metadata,
        "spec": {**spec, "nodeName": binding["target"]["name"]},
        "status": {**status, "conditions": [*others, scheduled]},
    }


def anything(new: Object, old: Object, context: Context) -> None:
    """For changes that the registry itself has made: nothing is put back."""


def only_finalizers(new: Object, old: Object, context: Context) -> None:
    """namespaces/finalize: spec.finalizers alone."""
    finalizers = (new.get("spec") or {}).get("finalizers") or []
    new["spec"] = {**old.get("spec", {}), "finalizers": finalizers}
    if not finalizers:
        del new["spec"]["finalizers"]
    keep(new, old, "status")


def check_budgets(pod: Object, budgets: Iterable[Object], pods: Iterable[Object], find: Find) -> None:
    """429 when evicting a pod would go below a PodDisruptionBudget.

    The budget is worked out here, from the pods that are there, rather than read from its status: that may be
    late. A pod that has ended, or not begun, is no loss (pkg/registry/core/pod/storage/eviction.go).
    """
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed", "Pending") or "deletionTimestamp" in pod["metadata"]:
        return
    matching = [budget for budget in budgets if covers(budget, pod)]
    if len(matching) > 1:
        raise status_error(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, "
            "which the eviction subresource does not support.",
        )
    for budget in matching:
        now = disruptions(budget, (other for other in pods if covers(budget, other)), find)
        if not may_evict(pod, budget, now):
            raise _disrupted(budget["metadata"]["name"], now)


def _disrupted(budget: str, now: Disruptions) -> StatusError:
    if now.failure:
        why = f"does not allow evicting pods currently because it failed sync: {now.failure}"
    elif now.healthy <= now.desired:
        why = f"needs {now.desired} healthy pods and has {now.healthy} currently"
    else:
        why = "does not allow evicting pods currently"
    cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {budget} {why}"}
    return status_error(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[cause],
    )
