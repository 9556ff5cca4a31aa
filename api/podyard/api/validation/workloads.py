"""Deployments, ReplicaSets, DaemonSets, ReplicationControllers.

Source: k8s.io/kubernetes pkg/apis/apps/validation, pkg/apis/core/validation.
"""

from __future__ import annotations

from podyard.api.selectors import from_map
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    invalid,
    non_negative,
    not_supported,
    required,
)
from podyard.api.validation.templates import (
    NO_MATCH,
    same_selector,
    selector_and_template,
    spec_of,
    template_of,
)


def deployment_create(obj: Object) -> Errors:
    """A Deployment."""
    yield from _deployment(spec_of(obj), {})


def deployment_update(new: Object, old: Object) -> Errors:
    """A Deployment that replaces `old`: the selector stays."""
    yield from _deployment(spec_of(new), spec_of(old))
    yield from same_selector(new, old)


def _deployment(spec: Object, old: Object) -> Errors:
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from selector_and_template(spec, old, empty="deployment", owner="ReplicaSet")
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
    yield from _replica_set(spec_of(obj), {})


def replica_set_update(new: Object, old: Object) -> Errors:
    """A ReplicaSet that replaces `old`: the selector stays."""
    yield from _replica_set(spec_of(new), spec_of(old))
    yield from same_selector(new, old)


def _replica_set(spec: Object, old: Object) -> Errors:
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    # "deployment" is what Kubernetes says of a ReplicaSet too.
    yield from selector_and_template(spec, old, empty="deployment", owner="ReplicaSet")


def daemon_set_create(obj: Object) -> Errors:
    """A DaemonSet."""
    yield from _daemon_set(spec_of(obj), {})


def daemon_set_update(new: Object, old: Object) -> Errors:
    """A DaemonSet that replaces `old`: the selector stays."""
    yield from _daemon_set(spec_of(new), spec_of(old))
    yield from same_selector(new, old)


def _daemon_set(spec: Object, old: Object) -> Errors:
    yield from selector_and_template(spec, old, empty="daemonset", owner="DaemonSet")
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


def replication_controller_create(obj: Object) -> Errors:
    """A ReplicationController."""
    yield from _replication_controller(spec_of(obj), {})


def replication_controller_update(new: Object, old: Object) -> Errors:
    """A ReplicationController that replaces `old`; here the selector may change."""
    yield from _replication_controller(spec_of(new), spec_of(old))


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
        yield invalid("spec.template.metadata.labels", given, NO_MATCH)
    yield from template_of(spec, old, owner="ReplicationController")
