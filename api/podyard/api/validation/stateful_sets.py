"""StatefulSets (k8s.io/kubernetes pkg/apis/apps/validation)."""

from __future__ import annotations

from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    invalid,
    non_negative,
    not_supported,
)
from podyard.api.validation.templates import (
    selector_and_template,
    spec_of,
)

_STATEFUL_SET_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def stateful_set_create(obj: Object) -> Errors:
    """A StatefulSet."""
    yield from _stateful_set(spec_of(obj), {})


def stateful_set_update(new: Object, old: Object) -> Errors:
    """A StatefulSet that replaces `old`: most of its spec stays."""
    yield from _stateful_set(spec_of(new), spec_of(old))
    fixed, before = (
        {key: value for key, value in spec_of(obj).items() if value and key not in _STATEFUL_SET_MUTABLE}
        for obj in (new, old)
    )
    if fixed != before:
        *all_but_last, last = (f"'{key}'" for key in _STATEFUL_SET_MUTABLE)
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than "
            f"{', '.join(all_but_last)} and {last} are forbidden",
        )


def _stateful_set(spec: Object, old: Object) -> Errors:
    policy, strategy = spec.get("podManagementPolicy"), spec.get("updateStrategy") or {}
    if policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "OnDelete":
        if rolling is not None:
            detail = "only allowed for updateStrategy 'RollingUpdate'"
            yield invalid("spec.updateStrategy.rollingUpdate", rolling, detail)
    elif strategy.get("type") != "RollingUpdate":
        yield invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif rolling is not None:
        yield from non_negative("spec.updateStrategy.rollingUpdate.partition", rolling.get("partition"))
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for key in ("whenDeleted", "whenScaled"):
        if retention.get(key) not in (None, "Delete", "Retain"):
            at = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
            yield not_supported(at, retention[key], ("Delete", "Retain"))
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from non_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    claims = {((claim.get("metadata") or {}).get("name")) for claim in spec.get("volumeClaimTemplates") or []}
    yield from selector_and_template(spec, old, empty="statefulset", owner="StatefulSet", claims=claims)
