"""Workloads: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and their kin."""

from __future__ import annotations

from podyard.api.times import human_duration
from podyard.apiserver.table import NONE, Cells, Object, Printer, columns
from podyard.apiserver.table.durations import seconds_of, since
from podyard.apiserver.table.fields import (
    age,
    containers,
    count,
    dig,
    is_true,
    items,
    label_selector,
    labels,
    name,
    truth,
)


def _template(obj: Object) -> tuple[str, str]:
    return containers(dig(obj, "spec", "template", "spec"))


def _deployment(obj: Object, now: float) -> Cells:
    return [
        name(obj),
        f"{count(obj, 'status', 'readyReplicas')}/{count(obj, 'spec', 'replicas')}",
        count(obj, "status", "updatedReplicas"),
        count(obj, "status", "availableReplicas"),
        age(obj, now),
        *_template(obj),
        label_selector(dig(obj, "spec", "selector")),
    ]


def _replica_counts(obj: Object) -> Cells:
    return [
        name(obj),
        count(obj, "spec", "replicas"),
        count(obj, "status", "replicas"),
        count(obj, "status", "readyReplicas"),
    ]


def _replica_set(obj: Object, now: float) -> Cells:
    selector = label_selector(dig(obj, "spec", "selector"))
    return [*_replica_counts(obj), age(obj, now), *_template(obj), selector]


def _replication_controller(obj: Object, now: float) -> Cells:
    selector = labels(dig(obj, "spec", "selector"))
    return [*_replica_counts(obj), age(obj, now), *_template(obj), selector]


def _stateful_set(obj: Object, now: float) -> Cells:
    ready = f"{count(obj, 'status', 'readyReplicas')}/{count(obj, 'spec', 'replicas')}"
    return [name(obj), ready, age(obj, now), *_template(obj)]


def _daemon_set(obj: Object, now: float) -> Cells:
    return [
        name(obj),
        count(obj, "status", "desiredNumberScheduled"),
        count(obj, "status", "currentNumberScheduled"),
        count(obj, "status", "numberReady"),
        count(obj, "status", "updatedNumberScheduled"),
        count(obj, "status", "numberAvailable"),
        labels(dig(obj, "spec", "template", "spec", "nodeSelector")),
        age(obj, now),
        *_template(obj),
        label_selector(dig(obj, "spec", "selector")),
    ]


def _job(obj: Object, now: float) -> Cells:
    selector = label_selector(dig(obj, "spec", "selector"))
    return [
        name(obj),
        _job_status(obj),
        _job_completions(obj),
        _job_duration(obj, now),
        age(obj, now),
        *_template(obj),
        selector,
    ]


def _job_status(job: Object) -> str:
    for condition in ("Complete", "Failed"):
        if is_true(job, condition):
            return condition
    if dig(job, "metadata", "deletionTimestamp"):
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if is_true(job, condition):
            return condition
    return "Running"


def _job_completions(job: Object) -> str:
    succeeded = count(job, "status", "succeeded")
    if (wanted := dig(job, "spec", "completions")) is not None:
        return f"{succeeded}/{wanted}"
    parallelism = count(job, "spec", "parallelism")
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(job: Object, now: float) -> str:
    start = seconds_of(dig(job, "status", "startTime"))
    if start is None:
        return ""
    end = seconds_of(dig(job, "status", "completionTime"))
    return human_duration((now if end is None else end) - start)


def _cron_job(obj: Object, now: float) -> Cells:
    last = dig(obj, "status", "lastScheduleTime")
    job = dig(obj, "spec", "jobTemplate")
    return [
        name(obj),
        dig(obj, "spec", "schedule"),
        dig(obj, "spec", "timeZone") or NONE,
        truth(dig(obj, "spec", "suspend")),
        len(items(obj, "status", "active")),
        since(last, now) if last else NONE,
        age(obj, now),
        *_template(job or {}),
        label_selector(dig(job, "spec", "selector")),
    ]


def _pod_template(obj: Object, now: float) -> Cells:
    pod_labels = labels(dig(obj, "template", "metadata", "labels"))
    return [name(obj), *containers(dig(obj, "template", "spec")), pod_labels]


def _controller_revision(obj: Object, now: float) -> Cells:
    controller = NONE
    for owner in items(obj, "metadata", "ownerReferences"):
        if owner.get("controller"):
            group = str(owner.get("apiVersion", "")).rpartition("/")[0]
            kind = str(owner.get("kind", "")).lower()
            controller = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [name(obj), controller, count(obj, "revision"), age(obj, now)]


_REPLICAS = columns("Name | Desired:int | Current:int | Ready:int | Age | Containers* | Images* | Selector*")

PRINTERS = {
    ("apps", "deployments"): Printer(
        columns("Name | Ready | Up-to-date | Available | Age | Containers* | Images* | Selector*"),
        _deployment,
    ),
    ("apps", "replicasets"): Printer(_REPLICAS, _replica_set),
    ("", "replicationcontrollers"): Printer(_REPLICAS, _replication_controller),
    ("apps", "statefulsets"): Printer(columns("Name | Ready | Age | Containers* | Images*"), _stateful_set),
    ("apps", "daemonsets"): Printer(
        columns(
            "Name | Desired:int | Current:int | Ready:int | Up-to-date:int | Available:int | Node Selector"
            " | Age | Containers* | Images* | Selector*"
        ),
        _daemon_set,
    ),
    ("batch", "jobs"): Printer(
        columns("Name | Status | Completions | Duration | Age | Containers* | Images* | Selector*"), _job
    ),
    ("batch", "cronjobs"): Printer(
        columns(
            "Name | Schedule | Timezone | Suspend:bool | Active:int | Last Schedule | Age"
            " | Containers* | Images* | Selector*"
        ),
        _cron_job,
    ),
    ("", "podtemplates"): Printer(columns("Name | Containers | Images | Pod Labels"), _pod_template),
    ("apps", "controllerrevisions"): Printer(
        columns("Name | Controller | Revision:int | Age"), _controller_revision
    ),
}
