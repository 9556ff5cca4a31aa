"""One pod: looks at what is, does what `actions` says, and tells how it is.

A worker never waits inside its loop. What takes time (a sandbox, the start or the end of a
container) is a task beside it; each change, be it of the pod, of a container, of a probe or the end
of a task, only wakes the loop, which then looks at everything anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from podyard.api.times import from_rfc3339
from podyard.kubelet.actions import Facts, compute_actions
from podyard.kubelet.ending import Ending, EndingSteps
from podyard.kubelet.observed import Observed, observe, with_messages
from podyard.kubelet.pod_actions import PodActions
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.pod_reporter import PodReporter
from podyard.kubelet.pod_state import PodState, probed_before
from podyard.kubelet.probes import ProbeResult
from podyard.kubelet.probes.handlers import run_probe
from podyard.kubelet.probes.worker import PodProbes
from podyard.kubelet.restarts import Restarts
from podyard.kubelet.runtime import ContainerState
from podyard.kubelet.spec import TERMINAL_PHASES, find_container, grace_period
from podyard.kubelet.tasks import Tasks
from podyard.process.clock import TimerHandle

Object = dict[str, Any]

NETWORK_PATIENCE_SECONDS = 5.0
DEADLINE_REASON = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"

logger = logging.getLogger("kubelet")


class PodWorker:
    """Runs one pod from its binding to its end. `finished` is called when nothing of it is left."""

    def __init__(self, context: PodContext, pod: Object, finished: Callable[[str], None]) -> None:
        self.uid: str = pod["metadata"]["uid"]
        self._context = context
        self._finished = finished
        self._wake = asyncio.Event()
        self._wake.set()
        self._timer: TimerHandle | None = None
        self._timer_at = 0.0
        events = PodEvents(context.recorder, pod)
        restarts = Restarts(self.uid, context.backoff, context.clock)
        self._state = PodState(context=context, pod=pod, events=events, restarts=restarts)
        self._tasks = Tasks(self._wake.set)
        self._actions = PodActions(self._state, self._tasks, self._wake_after)
        self._reporter = PodReporter(self._state)
        self._probes = PodProbes(self._ask, events.probed, self._wake.set, context.clock)
        self._known_probes: Mapping[str, tuple[bool, bool]] | None = probed_before(pod)
        self._volumes = context.volumes.of(pod, events, self._wake.set)
        self._ending: EndingSteps | None = None
        self._began = context.clock.now()
        self._told = ""  # what is wrong with the network, as last reported in an Event

    @property
    def pod(self) -> Object:
        """The latest object of the pod."""
        return self._state.pod

    @property
    def observed(self) -> Observed:
        """What the runtime had of the pod when the worker last looked."""
        return self._state.observed

    def waiting_reason(self, name: str) -> str:
        """Why a container waits, such as "CrashLoopBackOff"; empty when nothing is known to keep it."""
        problem = self._state.problems.get(name)
        return problem.reason if problem else ""

    def update(self, pod: Object) -> None:
        """The pod's object has changed."""
        self._state.pod = self._state.events.pod = pod
        self._context.statuses.saw(pod)
        self._volumes.update(pod)
        self._wake.set()

    def removed(self) -> None:
        """The pod's object is gone: nothing of the pod may stay."""
        self._state.gone = True
        self._wake.set()

    def wake(self) -> None:
        """Something of the pod has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Work until nothing of the pod is left, or until cancelled, which leaves it running."""
        try:
            while self._ending is None or not self._ending.done:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._sync()
                except Exception:
                    logger.exception("pod %s", self.pod["metadata"]["name"])
                    self._wake_after(1.0)
        finally:
            self._probes.close()
            self._volumes.close()
            if self._timer is not None:
                self._timer.cancel()
            await self._tasks.cancel()
        self._context.statuses.forget(self.uid)
        self._finished(self.uid)

    async def _sync(self) -> None:
        runtime = self._context.runtime
        observed = observe(self.uid, await runtime.list_pod_sandboxes(), await runtime.list_containers())
        self._state.observed = with_messages(observed, self._reporter.last_words)
        self._watch_probes()
        wanted = self._wanted_ending()
        if wanted is None:
            self._progress()
        if wanted is not None or self._ending is not None:
            await self._end(wanted)
        self._reporter.publish(self._probes, self._ending)

    def _watch_probes(self) -> None:
        running = {}
        for status in self.observed.containers:
            found = find_container(self.pod, status.name)
            if found and status.state == ContainerState.RUNNING and status.name not in self._state.held:
                running[status.id] = found
        self._probes.watch(running, self._known_probes)
        self._known_probes = None

    def _wanted_ending(self) -> Ending | None:
        """Whether the pod must end, whatever its containers do."""
        status = self.pod.get("status") or {}
        phase = status.get("phase", "")
        settled = phase in TERMINAL_PHASES
        why = (phase, status.get("reason") or "", status.get("message") or "") if settled else ()
        if self._state.gone:
            return Ending(0.0, *why)
        if settled or self.pod["metadata"].get("deletionTimestamp"):
            return Ending(grace_period(self.pod), *why)
        deadline = self.pod["spec"].get("activeDeadlineSeconds")
        started = status.get("startTime")
        if deadline is not None and started:
            left = from_rfc3339(started) + deadline - self._context.clock.now()
            if left <= 0:
                return Ending(grace_period(self.pod), "Failed", DEADLINE_REASON, DEADLINE_MESSAGE)
            self._wake_after(left)
        return None

    def _progress(self) -> None:
        """Bring the pod nearer to what its spec asks for."""
        state = self._state
        if self._ending is not None:
            return
        self._volumes.start()
        if self._is_kept():
            return
        facts = Facts(
            busy=self._tasks.names(),
            waits=state.restarts.waits(state.pod, state.observed),
            started=self._probes.started(),
            failed=self._probes.failed(),
        )
        actions = compute_actions(state.pod, state.observed, facts)
        if actions.finished:
            self._ending = EndingSteps(self._context, Ending(grace_period(state.pod)), self._wake.set)
            return
        self._actions.carry_out(actions)
        state.problems = state.restarts.problems(state.pod, state.observed, actions.backing_off, state.events)
        if actions.backing_off:
            self._wake_after(min(actions.backing_off.values()))

    def _is_kept(self) -> bool:
        """Whether something keeps the pod as a whole from starting; users are told of it once."""
        if self.observed.ready_sandbox is not None:
            return False  # it has all that it needs, since an earlier kubelet's time perhaps
        if not self._volumes.ready:
            return True
        network = self._context.network_problem()
        if network:
            # A kubelet that starts learns of pods a moment before it learns of its addresses.
            if (left := self._began + NETWORK_PATIENCE_SECONDS - self._context.clock.now()) > 0:
                self._wake_after(left)
            elif self._told != network:
                self._told = network
                self._state.events.warning("NetworkNotReady", f"network is not ready: {network}")
        return bool(network)

    async def _end(self, wanted: Ending | None) -> None:
        """Go on with the pod's end, and start it if need be."""
        if self._ending is None:
            assert wanted is not None
            self._ending = EndingSteps(self._context, wanted, self._wake.set)
            if wanted.reason == DEADLINE_REASON:
                self._state.events.normal(wanted.reason, wanted.message)
        if wanted is not None:
            self._ending.hasten(wanted.grace)
        self._probes.end_liveness()
        await self._ending.advance(self.pod, self._tasks, self._state.events, gone=self._state.gone)

    def _wake_after(self, seconds: float) -> None:
        """Look again in so many seconds, or earlier; a wake that comes too early does no harm."""
        when = self._context.clock.now() + seconds
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._context.clock.call_later(seconds, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._wake.set()

    async def _ask(self, container: Object, container_id: str, probe: Object) -> ProbeResult:
        ip = next(iter(self._state.ips()), self._context.node_ip)
        return await run_probe(self._context.runtime, container, container_id, ip, probe)
