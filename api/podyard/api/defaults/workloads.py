"""Defaults of the apps and batch groups (pkg/apis/apps/v1, pkg/apis/batch/v1)."""

from __future__ import annotations

from podyard.api.defaults.fill import Object, child, items, set_default
from podyard.api.defaults.pods import pod_template
from podyard.api.defaults.volumes import claim_spec

_MAX_INT32 = 2**31 - 1


def deployment(obj: Object) -> None:
    """A Deployment: one replica, rolled over a quarter at a time."""
    spec = child(obj, "spec")
    pod_template(spec)
    set_default(spec, "replicas", 1)
    strategy = child(spec, "strategy")
    set_default(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = child(strategy, "rollingUpdate")
        set_default(rolling, "maxUnavailable", "25%")
        set_default(rolling, "maxSurge", "25%")
    set_default(spec, "revisionHistoryLimit", 10)
    set_default(spec, "progressDeadlineSeconds", 600)


def replica_set(obj: Object) -> None:
    """A ReplicaSet: one replica."""
    spec = child(obj, "spec")
    pod_template(spec)
    set_default(spec, "replicas", 1)


def daemon_set(obj: Object) -> None:
    """A DaemonSet: rolled over one node at a time."""
    spec = child(obj, "spec")
    pod_template(spec)
    strategy = child(spec, "updateStrategy")
    set_default(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = child(strategy, "rollingUpdate")
        set_default(rolling, "maxUnavailable", 1)
        set_default(rolling, "maxSurge", 0)
    set_default(spec, "revisionHistoryLimit", 10)


def stateful_set(obj: Object) -> None:
    """A StatefulSet: one replica, one pod after the other, claims retained."""
    spec = child(obj, "spec")
    pod_template(spec)
    set_default(spec, "podManagementPolicy", "OrderedReady")
    strategy = child(spec, "updateStrategy")
    if strategy.get("type") in (None, ""):
        strategy["type"] = "RollingUpdate"
        child(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and (rolling := strategy.get("rollingUpdate")) is not None:
        set_default(rolling, "partition", 0)
    retention = child(spec, "persistentVolumeClaimRetentionPolicy")
    set_default(retention, "whenDeleted", "Retain")
    set_default(retention, "whenScaled", "Retain")
    set_default(spec, "replicas", 1)
    set_default(spec, "revisionHistoryLimit", 10)
    for claim in items(spec, "volumeClaimTemplates"):
        claim_spec(child(claim, "spec"))
        set_default(child(claim, "status"), "phase", "Pending")


def job(obj: Object) -> None:
    """A Job; it takes its template's labels when it has none of its own."""
    spec = child(obj, "spec")
    job_spec(spec)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not (obj.get("metadata") or {}).get("labels"):
        child(obj, "metadata")["labels"] = dict(labels)


def job_spec(spec: Object) -> None:
    """A Job's spec: one run of one pod, retried six times."""
    pod_template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    set_default(spec, "parallelism", 1)
    # A limit for each index stands on its own: without a total one there is none.
    per_index = spec.get("backoffLimitPerIndex") is not None
    set_default(spec, "backoffLimit", _MAX_INT32 if per_index else 6)
    set_default(spec, "completionMode", "NonIndexed")
    set_default(spec, "suspend", False)
    set_default(spec, "manualSelector", False)
    failure_policy = spec.get("podFailurePolicy") is not None
    set_default(spec, "podReplacementPolicy", "Failed" if failure_policy else "TerminatingOrFailed")
    for rule in items(spec.get("podFailurePolicy"), "rules"):
        for pattern in items(rule, "onPodConditions"):
            set_default(pattern, "status", "True")


def cron_job(obj: Object) -> None:
    """A CronJob: runs may overlap, three good ones and one bad one are kept."""
    spec = child(obj, "spec")
    set_default(spec, "concurrencyPolicy", "Allow")
    set_default(spec, "suspend", False)
    set_default(spec, "successfulJobsHistoryLimit", 3)
    set_default(spec, "failedJobsHistoryLimit", 1)
    # Kubernetes leaves the Job's own defaults to the Job; only its pods' are filled in here.
    template = child(spec, "jobTemplate")
    child(template, "metadata")
    pod_template(child(template, "spec"))
