"""Deletion: at once, gracefully, or when the finalizers are gone (registry/generic/registry/store.go)."""

from __future__ import annotations

from dataclasses import dataclass

from podyard.api.errors import StatusError, conflict, not_found, status_error
from podyard.api.resources import Resource
from podyard.api.times import from_rfc3339, to_rfc3339
from podyard.apiserver.admission import Request
from podyard.apiserver.admission.plugins import admit
from podyard.apiserver.registry import Object, Stored, WriteOptions
from podyard.apiserver.registry.store import Store
from podyard.apiserver.registry.strategies import Strategy
from podyard.apiserver.registry.strategies.table import STRATEGIES
from podyard.apiserver.storage import Conflict
from podyard.process.clock import Clock

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_POLICY_FINALIZERS = {"Orphan": (ORPHAN,), "Foreground": (FOREGROUND,), "Background": ()}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a delete does to an object: remove it, or store it as it is now."""

    remove: bool
    obj: Object


class Deleter:
    """Resources are the stored ones."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def delete(
        self, resource: Resource, namespace: str, name: str, delete_options: Object, options: WriteOptions
    ) -> tuple[Stored, bool]:
        """Delete an object; give its last form, and whether it is gone."""
        policy = propagation_policy(delete_options)
        grace = delete_options.get("gracePeriodSeconds")
        strategy = STRATEGIES[resource.group_resource]
        while True:
            entry = self._store.entry(resource, namespace, name)
            if entry is None:
                raise not_found(resource, name)
            obj = entry.stored.decode()
            _check_preconditions(resource, obj, delete_options.get("preconditions") or {})
            admit(Request("DELETE", resource, namespace, name, None, obj, options.user, self._store))
            plan = plan_deletion(strategy, obj, grace, policy, self._clock.now())
            try:
                if plan.remove:
                    version = entry.stored.resource_version
                    gone = await self._store.remove(resource, plan.obj, version, dry_run=options.dry_run)
                    return gone, True
                if plan.obj == obj:
                    return entry.stored, False
                stored = await self._store.put(
                    resource, plan.obj, entry.stored.resource_version, dry_run=options.dry_run
                )
                return stored, False
            except Conflict:
                continue


def plan_deletion(strategy: Strategy, obj: Object, asked: int | None, policy: str | None, now: float) -> Plan:
    """Decide; `asked` is the caller's grace period, `obj` stays as it is."""
    before = obj["metadata"]
    own = {**before, "finalizers": _finalizers(before.get("finalizers") or [], policy)}
    if not own["finalizers"]:
        del own["finalizers"]
    new = {**obj, "metadata": own}
    held = "finalizers" in own or strategy.holds(obj)
    deleting = "deletionTimestamp" in before
    seconds = strategy.grace_period(obj, asked) or 0
    if deleting:
        current = before.get("deletionGracePeriodSeconds") or 0
        seconds = current if asked is None else min(current, max(asked, 0))
        begun = from_rfc3339(before["deletionTimestamp"]) - current
    else:
        begun = now
    if not seconds and not held:
        return Plan(True, new)
    if not deleting or seconds != (before.get("deletionGracePeriodSeconds") or 0):
        own["deletionTimestamp"] = to_rfc3339(begun + seconds)
        own["deletionGracePeriodSeconds"] = seconds
    if not deleting:
        if own.get("generation"):
            own["generation"] += 1
        new["status"] = dict(obj["status"]) if "status" in obj else {}
        strategy.deletion_begins(new)
        if not new["status"] and "status" not in obj:
            del new["status"]
    return Plan(False, new)


def _finalizers(current: list[str], policy: str | None) -> list[str]:
    if policy is None:
        return current
    wanted = _POLICY_FINALIZERS[policy]
    kept = [name for name in current if name not in (ORPHAN, FOREGROUND) or name in wanted]
    return kept + [name for name in wanted if name not in kept]


def propagation_policy(delete_options: Object) -> str | None:
    """What is to become of dependents; None leaves it to the object's finalizers. StatusError 422."""
    policy: str | None = delete_options.get("propagationPolicy")
    orphan: bool | None = delete_options.get("orphanDependents")
    if policy is None:
        return None if orphan is None else ("Orphan" if orphan else "Background")
    if orphan is not None:
        message = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        raise _wrong_policy("FieldValueInvalid", message)
    if policy not in _POLICY_FINALIZERS:
        supported = ", ".join(f'"{name}"' for name in sorted(_POLICY_FINALIZERS))
        message = f'Unsupported value: "{policy}": supported values: {supported}'
        raise _wrong_policy("FieldValueNotSupported", message)
    return policy


def _wrong_policy(reason: str, message: str) -> StatusError:
    return status_error(
        422,
        "Invalid",
        f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {message}',
        group="meta.k8s.io",
        kind="DeleteOptions",
        causes=[{"reason": reason, "message": message, "field": "propagationPolicy"}],
    )


def _check_preconditions(resource: Resource, obj: Object, preconditions: Object) -> None:
    own = obj["metadata"]
    for key, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = preconditions.get(key)
        if wanted and wanted != own[key]:
            why = (
                f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {own[key]}"
            )
            raise conflict(resource, own["name"], why)


def success(resource: Resource, stored: Stored) -> Object:
    """The `Status` that tells of a deletion."""
    details = {"name": stored.name, "kind": resource.plural, "uid": stored.decode()["metadata"]["uid"]}
    if resource.group:
        details["group"] = resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
