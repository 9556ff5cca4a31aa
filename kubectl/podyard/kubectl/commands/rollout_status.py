"""kubectl rollout status. Source: k8s.io/kubectl pkg/polymorphichelpers/rollout_status.go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from podyard.kubectl import replicasets
from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag
from podyard.kubectl.rollouts import targets
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG
from podyard.kubectl.watching import follow_object

Object = Mapping[str, Any]


def run(session: Session) -> int:
    """Tell how far a rollout is, until it is done."""
    if session["revision"] < 0:
        raise CommandError(f"revision must be a positive integer: {session['revision']}")
    found = targets(session)
    for info in found.all():
        _follow(session, info)
    if not found.infos:
        session.err(f"No resources found in {session.namespace} namespace.\n")
    return 0


def _follow(session: Session, info: Info) -> None:
    if info.resource.kind not in _STATUS:
        group = f".{info.resource.group}" if info.resource.group else ""
        raise CommandError(f"no status viewer has been implemented for {info.resource.kind}{group}")
    for event, obj in follow_object(session, info.resource, info.namespace, info.name, session["timeout"]):
        if event in ("DELETED", "ABSENT"):
            raise CommandError("object has been deleted")
        text, done = rollout_status(obj, session["revision"])
        session.out(text)
        sys.stdout.flush()
        if done or not session["watch"]:
            return


def rollout_status(obj: Object, wanted_revision: int = 0) -> tuple[str, bool]:
    """What to say of a rollout, and whether it is done. Raises CommandError when it has failed."""
    return _STATUS[obj["kind"]](obj, wanted_revision)


def _deployment(obj: Object, wanted_revision: int) -> tuple[str, bool]:
    name, spec, status = obj["metadata"]["name"], obj["spec"], obj.get("status") or {}
    if wanted_revision > 0:
        running = replicasets.revision(obj)
        if running != wanted_revision:
            raise CommandError(
                f"desired revision ({wanted_revision}) is different from the running revision ({running})"
            )
    if obj["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for deployment spec update to be observed...\n", False
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise CommandError(f'deployment "{name}" exceeded its progress deadline')
    replicas, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < replicas:
        return f"{waiting}{updated} out of {replicas} new replicas have been updated...\n", False
    if total > updated:
        return f"{waiting}{total - updated} old replicas are pending termination...\n", False
    if available < updated:
        return f"{waiting}{available} of {updated} updated replicas are available...\n", False
    return f'deployment "{name}" successfully rolled out\n', True


def _daemon_set(obj: Object, _: int) -> tuple[str, bool]:
    name, spec, status = obj["metadata"]["name"], obj["spec"], obj.get("status") or {}
    if (spec.get("updateStrategy") or {}).get("type") != "RollingUpdate":
        raise CommandError("rollout status is only available for RollingUpdate strategy type")
    if obj["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for daemon set spec update to be observed...\n", False
    desired, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    waiting = f'Waiting for daemon set "{name}" rollout to finish: '
    if updated < desired:
        return f"{waiting}{updated} out of {desired} new pods have been updated...\n", False
    if available < desired:
        return f"{waiting}{available} of {desired} updated pods are available...\n", False
    return f'daemon set "{name}" successfully rolled out\n', True


def _stateful_set(obj: Object, _: int) -> tuple[str, bool]:
    spec, status = obj["spec"], obj.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        raise CommandError("rollout status is only available for RollingUpdate strategy type")
    observed = status.get("observedGeneration", 0)
    if not observed or obj["metadata"].get("generation", 0) > observed:
        return "Waiting for statefulset spec update to be observed...\n", False
    replicas, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    if status.get("readyReplicas", 0) < replicas:
        return f"Waiting for {replicas - status.get('readyReplicas', 0)} pods to be ready...\n", False
    if strategy.get("rollingUpdate") is not None:
        partition = strategy["rollingUpdate"].get("partition")
        if partition is not None and updated < replicas - partition:
            count = f"{updated} out of {replicas - partition} new pods have been updated..."
            return f"Waiting for partitioned roll out to finish: {count}\n", False
        return f"partitioned roll out complete: {updated} new pods have been updated...\n", True
    if status.get("updateRevision") != status.get("currentRevision"):
        revision = f"{updated} pods at revision {status.get('updateRevision')}..."
        return f"waiting for statefulset rolling update to complete {revision}\n", False
    revision = f"{status.get('currentReplicas', 0)} pods at revision {status.get('currentRevision')}..."
    return f"statefulset rolling update complete {revision}\n", True


_STATUS = {"Deployment": _deployment, "DaemonSet": _daemon_set, "StatefulSet": _stateful_set}

COMMAND = Command(
    "rollout status (TYPE NAME | TYPE/NAME)",
    "Show the status of the rollout",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        Flag("watch", "Watch the status of the rollout until it's done.", "w", "bool", True),
        Flag("revision", "Pin to a specific revision for showing its status.", kind="int"),
        Flag("timeout", "The length of time to wait before ending watch, zero means never.", kind="duration"),
    ),
    "kubectl rollout status deployment/nginx",
)
