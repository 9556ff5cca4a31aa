"""Deployments, ReplicaSets, DaemonSets, StatefulSets, ReplicationControllers.

Source: k8s.io/kubernetes pkg/apis/apps/validation, pkg/apis/core/validation.
"""

from __future__ import annotations

from podyard.api.selectors import from_map
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    immutable,
    invalid,
    non_negative,
    not_supported,
    required,
)
from podyard.api.validation.labels import label_selector, parsed
from podyard.api.validation.podspec import pod_template

_NO_MATCH = "`selector` does not match template `labels`"
_STATEFUL_SET_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _spec(obj: Object) -> Object:
    return obj.get("spec") or {}


def deployment_create(obj: Object) -> Errors:
    """A Deployment."""
    yield from _deployment(_spec(obj), {})


def deployment_update(new: Object, old: Object) -> Errors:
    """A Deployment that replaces `old`: the selector stays."""
    yield from _deployment(_spec(new), _spec(old))
    yield from _same_selector(new, old)


def _deployment(spec: Object, old: Object) -> Errors:
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from _selector_and_template(spec, old, empty="deployment", owner="ReplicaSet")
    yield from _deployment_strategy(spec.get("strategy") or {})
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        yield from non_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= (spec.get("minReadySeconds") or 0):
            yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _deployment_strategy(strategy: Object) -> Errors:
    path = "spec.strategy"
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", detail)
    elif kind != "RollingUpdate":
        yield not_supported(path, strategy, ("Recreate", "RollingUpdate"))
    elif rolling is None:
        yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
    else:
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        at = f"{path}.rollingUpdate.maxUnavailable"
        yield from formats.int_or_percent(at, unavailable)
        yield from formats.int_or_percent(f"{path}.rollingUpdate.maxSurge", surge)
        if not formats.int_or_percent_number(unavailable) and not formats.int_or_percent_number(surge):
            yield invalid(at, unavailable, "may not be 0 when `maxSurge` is 0")
        yield from formats.at_most_100_percent(at, unavailable)


def replica_set_create(obj: Object) -> Errors:
    """A ReplicaSet."""
    yield from _replica_set(_spec(obj), {})


def replica_set_update(new: Object, old: Object) -> Errors:
    """A ReplicaSet that replaces `old`: the selector stays."""
    yield from _replica_set(_spec(new), _spec(old))
    yield from _same_selector(new, old)


def _replica_set(spec: Object, old: Object) -> Errors:
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    # "deployment" is what Kubernetes says of a ReplicaSet too.
    yield from _selector_and_template(spec, old, empty="deployment", owner="ReplicaSet")


def daemon_set_create(obj: Object) -> Errors:
    """A DaemonSet."""
    yield from _daemon_set(_spec(obj), {})


def daemon_set_update(new: Object, old: Object) -> Errors:
    """A DaemonSet that replaces `old`: the selector stays."""
    yield from _daemon_set(_spec(new), _spec(old))
    yield from _same_selector(new, old)


def _daemon_set(spec: Object, old: Object) -> Errors:
    yield from _selector_and_template(spec, old, empty="daemonset", owner="DaemonSet")
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _daemon_set_strategy(spec.get("updateStrategy") or {})
    yield from non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _daemon_set_strategy(strategy: Object) -> Errors:
    path = "spec.updateStrategy"
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        yield not_supported(path, strategy, ("OnDelete", "RollingUpdate"))
    elif rolling is None:
        yield required(f"{path}.rollingUpdate")
    else:
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        at, surge_at = f"{path}.rollingUpdate.maxUnavailable", f"{path}.rollingUpdate.maxSurge"
        for where, value in ((at, unavailable), (surge_at, surge)):
            yield from formats.int_or_percent(where, value)
            yield from formats.at_most_100_percent(where, value)
        has_unavailable = formats.int_or_percent_number(unavailable) != 0
        has_surge = formats.int_or_percent_number(surge) != 0
        if has_unavailable and has_surge:
            yield invalid(surge_at, surge, "may not be set when maxUnavailable is non-zero")
        elif not has_unavailable and not has_surge:
            yield required(at, "cannot be 0 when maxSurge is 0")


def stateful_set_create(obj: Object) -> Errors:
    """A StatefulSet."""
    yield from _stateful_set(_spec(obj), {})


def stateful_set_update(new: Object, old: Object) -> Errors:
    """A StatefulSet that replaces `old`: most of its spec stays."""
    yield from _stateful_set(_spec(new), _spec(old))
    fixed, before = (
        {key: value for key, value in _spec(obj).items() if value and key not in _STATEFUL_SET_MUTABLE}
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
    yield from _selector_and_template(spec, old, empty="statefulset", owner="StatefulSet", claims=claims)


def replication_controller_create(obj: Object) -> Errors:
    """A ReplicationController."""
    yield from _replication_controller(_spec(obj), {})


def replication_controller_update(new: Object, old: Object) -> Errors:
    """A ReplicationController that replaces `old`; here the selector may change."""
    yield from _replication_controller(_spec(new), _spec(old))


def _replication_controller(spec: Object, old: Object) -> Errors:
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        yield required("spec.selector")
    yield from non_negative("spec.replicas", spec.get("replicas"))
    if not template:
        yield required("spec.template")
        return
    given = (template.get("metadata") or {}).get("labels")
    if selector and not from_map(selector).matches(given):
        yield invalid("spec.template.metadata.labels", given, _NO_MATCH)
    yield from _template(spec, old, owner="ReplicationController")


def _same_selector(new: Object, old: Object) -> Errors:
    yield from immutable("spec.selector", _spec(new).get("selector"), _spec(old).get("selector"))


def _selector_and_template(
    spec: Object, old: Object, *, empty: str, owner: str, claims: set[str | None] | None = None
) -> Errors:
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        yield required("spec.selector")
    else:
        yield from label_selector("spec.selector", selector)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid("spec.selector", selector, f"empty selector is invalid for {empty}")
    matcher = parsed(selector)
    given = (template.get("metadata") or {}).get("labels")
    if matcher is None:
        yield invalid("spec.selector", selector, "invalid label selector")
    elif not matcher.matches(given):
        yield invalid("spec.template.metadata.labels", given, _NO_MATCH)
    yield from _template(spec, old, owner=owner, claims=claims)


def _template(spec: Object, old: Object, *, owner: str, claims: set[str | None] | None = None) -> Errors:
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    if claims:
        # The claims become volumes of the pods, so containers may mount them.
        extra = [
            {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(map(str, claims))
        ]
        known = {volume.get("name") for volume in pod.get("volumes") or []}
        merged = [*(pod.get("volumes") or []), *(volume for volume in extra if volume["name"] not in known)]
        template = {**template, "spec": {**pod, "volumes": merged}}
    # A template that did not change was looked at when it was written.
    changed = pod != ((old.get("template") or {}).get("spec"))
    yield from pod_template("spec.template", template, check_spec=changed)
    policy = pod.get("restartPolicy")
    if policy != "Always":
        yield not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", detail)
