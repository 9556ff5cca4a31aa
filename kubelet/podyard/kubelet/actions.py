"""What to do for a pod: (pod, observed, facts) → actions (computePodActions). Pure.

The worker calls this at every change and carries out what it says; nothing here waits or remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podyard.kubelet.observed import Observed
from podyard.kubelet.probes import ProbeKind
from podyard.kubelet.runtime import ContainerState, ContainerStatus
from podyard.kubelet.spec import (
    HASH_ANNOTATION,
    container_hash,
    containers,
    init_containers,
    is_sidecar,
    restart_policy,
    should_restart,
)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known beside the runtime's lists.

    `busy` names the containers that are being started or killed just now. `waits` gives, by
    container name, the seconds of back-off that are left. `started` and `failed` are the probes'
    findings by container id: past its startup probe, and which probe demands its end.
    """

    busy: frozenset[str] = frozenset()
    waits: Mapping[str, float] = field(default_factory=dict)
    started: Mapping[str, bool] = field(default_factory=dict)
    failed: Mapping[str, ProbeKind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kill:
    """A running container that must end, and the text of its Killing Event."""

    container_id: str
    name: str
    message: str
    reason: ProbeKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What to do next. `finished`: the pod has ended by itself; end what is left of it.

    `sandbox_attempt` asks for a sandbox before all else. `backing_off` are containers that are to
    be started as well, in so many seconds.
    """

    finished: bool = False
    sandbox_attempt: int | None = None
    start: tuple[str, ...] = ()
    kill: tuple[Kill, ...] = ()
    backing_off: Mapping[str, float] = field(default_factory=dict)


class _Plan:
    """Collects the actions on single containers."""

    def __init__(self, pod: Object, observed: Observed, facts: Facts) -> None:
        self.pod = pod
        self.observed = observed
        self.facts = facts
        self.start: list[str] = []
        self.kill: list[Kill] = []
        self.backing_off: dict[str, float] = {}
        self.alive = 0  # containers that run, or will

    def launch(self, name: str) -> None:
        self.alive += 1
        wait = self.facts.waits.get(name, 0.0)
        if wait > 0:
            self.backing_off[name] = wait
        else:
            self.start.append(name)

    def watch_running(self, container: Object, status: ContainerStatus) -> None:
        """End a running container that no longer is as it should be."""
        name = container["name"]
        why = _must_end(container, status, self.facts.failed.get(status.id))
        if why is None:
            self.alive += 1
            return
        will_restart = restart_policy(self.pod) != "Never" or is_sidecar(container)
        message = f"Container {name} {why}" + (", will be restarted" if will_restart else "")
        self.alive += 1
        self.kill.append(Kill(status.id, name, message, self.facts.failed.get(status.id)))

    def actions(self) -> Actions:
        return Actions(start=tuple(self.start), kill=tuple(self.kill), backing_off=self.backing_off)


def compute_actions(pod: Object, observed: Observed, facts: Facts) -> Actions:
    """The next steps of a pod that is not being deleted."""
    if observed.ready_sandbox is None:
        return _without_sandbox(pod, observed)
    plan = _Plan(pod, observed, facts)
    progress = _init_containers(plan)
    if progress == "failed":
        return Actions(finished=True)
    if progress == "running":
        return plan.actions()
    sidecars = plan.alive
    for container in containers(pod):
        name = container["name"]
        status = observed.current(name)
        if name in facts.busy:
            plan.alive += 1
        elif status is not None and status.state == ContainerState.RUNNING:
            plan.watch_running(container, status)
        elif should_restart(pod, container, observed.latest(name)):
            plan.launch(name)
    if plan.alive == sidecars:
        return Actions(finished=True)
    return plan.actions()


def _without_sandbox(pod: Object, observed: Observed) -> Actions:
    """Make a sandbox, unless the pod has run already and nothing in it would be started again."""
    attempt = 0 if observed.sandbox is None else observed.sandbox.config.attempt + 1
    if observed.sandbox is not None and observed.containers:
        again = [c for c in containers(pod) if should_restart(pod, c, observed.latest(c["name"]))]
        initialized = all(
            _succeeded(observed.latest(c["name"])) or is_sidecar(c) for c in init_containers(pod)
        )
        if (restart_policy(pod) == "Never" and not _any_restarts(pod)) or (not again and initialized):
            return Actions(finished=True)
    return Actions(sandbox_attempt=attempt)


def _any_restarts(pod: Object) -> bool:
    """Whether a container of a pod that never restarts has a policy of its own."""
    own = [c.get("restartPolicy") or c.get("restartPolicyRules") for c in containers(pod)]
    return any(policy not in (None, "Never") for policy in own)


def _init_containers(plan: _Plan) -> str:
    """Plan the init containers; "done" when the regular ones may run, else "running" or "failed".

    They run one after the other, each to its success; a sidecar has only to be started, and is kept
    running. Once a regular container exists in the sandbox the others are not looked at again.
    """
    pod, observed, facts = plan.pod, plan.observed, plan.facts
    initialized = any(observed.current(c["name"]) or c["name"] in facts.busy for c in containers(pod))
    for container in init_containers(pod):
        name = container["name"]
        status = observed.current(name)
        if is_sidecar(container):
            if not _sidecar(plan, container, status) and not initialized:
                return "running"
        elif initialized or (status is not None and _succeeded(status)):
            continue
        elif name in facts.busy:
            return "running"
        elif status is not None and status.state == ContainerState.RUNNING:
            plan.watch_running(container, status)
            return "running"
        elif should_restart(pod, container, observed.latest(name), init=True):
            plan.launch(name)
            return "running"
        elif status is not None:
            return "failed"
        else:
            plan.launch(name)  # it had ended in an earlier sandbox: it runs again in this one
            return "running"
    return "done"


def _sidecar(plan: _Plan, container: Object, status: ContainerStatus | None) -> bool:
    """Keep a sidecar running; whether it has started, so that the next container may."""
    name = container["name"]
    if name in plan.facts.busy:
        plan.alive += 1
        return False
    if status is not None and status.state == ContainerState.RUNNING:
        plan.watch_running(container, status)
        return plan.facts.started.get(status.id, False) and status.id not in plan.facts.failed
    plan.launch(name)
    return False


def _succeeded(status: ContainerStatus | None) -> bool:
    return status is not None and status.state == ContainerState.EXITED and status.exit_code == 0


def _must_end(container: Object, status: ContainerStatus, failed: ProbeKind | None) -> str | None:
    recorded = status.annotations.get(HASH_ANNOTATION)
    if recorded is not None and recorded != container_hash(container):
        return "definition changed"
    if failed is not None:
        return f"failed {failed.lower()} probe"
    return None
