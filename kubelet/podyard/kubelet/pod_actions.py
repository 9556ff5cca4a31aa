"""Carries out the actions on one pod, each in a task of its own."""

from __future__ import annotations

from collections.abc import Callable

from podyard.kubelet.actions import Actions, Kill
from podyard.kubelet.killing import kill_container
from podyard.kubelet.pod_state import PodState
from podyard.kubelet.probes import PROBE_FIELDS
from podyard.kubelet.pulling import StartFailure
from podyard.kubelet.runtime import ContainerState
from podyard.kubelet.sandboxes import make_sandbox, remove_old_containers
from podyard.kubelet.spec import find_container, grace_period
from podyard.kubelet.starter import PodAddresses
from podyard.kubelet.tasks import Tasks

SANDBOX_RETRY_SECONDS = 5.0
SANDBOX_TASK = "pod sandbox"  # with a space, which no container's name has


class PodActions:
    """Starts and ends a pod's containers, and makes its sandbox. A container's task has its name.

    `wake_after` asks for another look in so many seconds.
    """

    def __init__(self, state: PodState, tasks: Tasks, wake_after: Callable[[float], None]) -> None:
        self._state = state
        self._tasks = tasks
        self._wake_after = wake_after
        self._sandbox_retry_at = 0.0

    def carry_out(self, actions: Actions) -> None:
        """Begin what is to be done and is not being done already."""
        if actions.sandbox_attempt is not None:
            self._make_sandbox(actions.sandbox_attempt)
        for kill in actions.kill:
            if kill.name not in self._tasks:
                self._tasks.start(kill.name, self._kill(kill))
        for name in actions.start:
            if name not in self._tasks:
                self._tasks.start(name, self._start(name))

    def _make_sandbox(self, attempt: int) -> None:
        left = self._sandbox_retry_at - self._state.context.clock.now()
        if left > 0:
            self._wake_after(left)
        elif not self._tasks.names():
            self._tasks.start(SANDBOX_TASK, self._run_sandbox(attempt))

    async def _run_sandbox(self, attempt: int) -> None:
        state = self._state
        if not await make_sandbox(state.context, state.pod, state.observed, attempt, state.events):
            self._sandbox_retry_at = state.context.clock.now() + SANDBOX_RETRY_SECONDS

    async def _start(self, name: str) -> None:
        state = self._state
        container, observed = find_container(state.pod, name), state.observed
        if container is None or observed.ready_sandbox is None:
            return
        attempt = state.next_attempt(name)
        latest = observed.latest(name)
        if latest is not None and latest.state == ContainerState.CREATED:
            # An earlier kubelet made it and did not come to start it.
            await state.context.runtime.remove_container(latest.id)
        await remove_old_containers(state.context, observed, name)
        state.restarts.starting(container, observed)
        where = PodAddresses(state.ips(), (state.context.node_ip,))
        if (container.get("lifecycle") or {}).get("postStart"):
            state.held.add(name)
        try:
            await state.context.starter.start(
                state.pod, container, attempt, observed.ready_sandbox, where, state.events
            )
        except StartFailure as failure:
            state.restarts.failed(name, failure)
        else:
            state.restarts.succeeded(name)
        finally:
            state.held.discard(name)

    async def _kill(self, kill: Kill) -> None:
        state = self._state
        status = next(c for c in state.observed.containers if c.id == kill.container_id)
        state.restarts.killed(status.id)
        grace = grace_period(state.pod)
        container = find_container(state.pod, kill.name)
        if container is not None and kill.reason is not None:
            own = container[PROBE_FIELDS[kill.reason]].get("terminationGracePeriodSeconds")
            grace = grace if own is None else float(own)
        await kill_container(state.context, state.pod, status, grace, state.events, kill.message)
