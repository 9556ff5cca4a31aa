"""kubectl drain. Source: k8s.io/kubectl pkg/cmd/drain, pkg/drain."""

from __future__ import annotations

import time
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.cordoning import nodes, say, set_schedulable
from podyard.kubectl.draining import Plan, Rules, plan
from podyard.kubectl.errors import ApiError, CommandError, Errors, PlainError, raise_all
from podyard.kubectl.evicting import Eviction
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, dry_run
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import CHUNK_SIZE_FLAG, SELECTOR_FLAG, Wanted


def run(session: Session) -> None:
    """Mark nodes as unschedulable, and send their pods away."""
    infos = nodes(session)
    set_schedulable(session, infos, False)
    errors: list[CommandError] = []
    pending: list[str] = []
    for info in infos:
        try:
            _drain(session, info)
            say(session, info.object, "drained")
        except CommandError as error:
            errors.append(error)
            pending.append(info.name)
            why = f'unable to drain node "{info.name}" due to error: {error}'
            session.err(f"error: {why}, continuing command...\n")
    if pending:
        session.err("There are pending nodes to be drained:\n" + "".join(f" {name}\n" for name in pending))
    each = [one for error in errors for one in (error.errors if isinstance(error, Errors) else [error])]
    raise_all([one if isinstance(one, ApiError) else PlainError(str(one)) for one in each])


def _drain(session: Session, node: Info) -> None:
    decided = _plan(session, node)
    raise_all([CommandError(problem) for problem in decided.problems])
    if decided.warnings:
        session.err(f"Warning: {decided.warnings}\n")
    if dry_run(session) == "client":
        for pod in decided.pods:
            metadata = pod["metadata"]
            session.out(f"evicting pod {metadata.get('namespace', '')}/{metadata['name']} (dry run)\n")
        return
    try:
        Eviction(session).run(decided.pods)
    except CommandError as error:
        left = _plan(session, node).pods
        if left:
            names = "".join(f"pod/{pod['metadata']['name']}\n" for pod in left)
            session.err(
                f'There are pending pods in node "{node.name}" when an error occurred: {error}\n{names}'
            )
        raise


def _plan(session: Session, node: Info) -> Plan:
    rules = Rules(
        session["force"],
        session["ignore-daemonsets"],
        session["delete-emptydir-data"] or session["delete-local-data"],
        session["skip-wait-for-delete-timeout"],
    )
    return plan(_pods(session, node), rules, time.time())


def _pods(session: Session, node: Info) -> list[dict[str, Any]]:
    what = Wanted(
        ["pods"],
        selector=session["pod-selector"],
        field_selector=f"spec.nodeName={node.name}",
        all_namespaces=True,
        chunk=session["chunk-size"],
    )
    return [info.object for info in find(session, what).all()]


COMMAND = Command(
    "drain NODE",
    "Drain node in preparation for maintenance",
    run,
    (
        SELECTOR_FLAG,
        DRY_RUN_FLAG,
        CHUNK_SIZE_FLAG,
        Flag("force", "Continue even if there are pods that do not declare a controller.", kind="bool"),
        Flag("ignore-daemonsets", "Ignore DaemonSet-managed pods.", kind="bool"),
        Flag(
            "delete-emptydir-data",
            "Continue even if there are pods using emptyDir (data that is deleted with the pod).",
            kind="bool",
        ),
        Flag("delete-local-data", "The old name of --delete-emptydir-data.", kind="bool"),
        Flag(
            "grace-period",
            "Period of time in seconds given to each pod to terminate gracefully. If negative, the default "
            "value specified in the pod will be used.",
            kind="int",
            default=-1,
        ),
        Flag("timeout", "The length of time to wait before giving up, zero means infinite", kind="duration"),
        Flag("pod-selector", "Label selector to filter pods on the node"),
        Flag(
            "disable-eviction",
            "Force drain to use delete, even if eviction is supported. This bypasses PodDisruptionBudgets.",
            kind="bool",
        ),
        Flag(
            "skip-wait-for-delete-timeout",
            "If a pod's deletionTimestamp is older than N seconds, skip waiting for the pod.",
            kind="int",
        ),
    ),
    "kubectl drain node1 --ignore-daemonsets",
)
