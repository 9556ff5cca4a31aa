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
from podyard.kubelet.actions import Actions, Facts, Kill, compute_actions
from podyard.kubelet.conditions import OWN_CONDITIONS
from podyard.kubelet.ending import Ending, EndingSteps
from podyard.kubelet.killing import kill_container
from podyard.kubelet.logs import last_words
from podyard.kubelet.observed import Observed, observe, with_messages
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.probes import PROBE_FIELDS, ProbeKind, ProbeResult
from podyard.kubelet.probes.handlers import run_probe
from podyard.kubelet.probes.worker import PodProbes
from podyard.kubelet.pulling import StartFailure
from podyard.kubelet.restarts import Restarts
from podyard.kubelet.runtime import ContainerState, ContainerStatus
from podyard.kubelet.sandboxes import make_sandbox, remove_old_containers
from podyard.kubelet.spec import TERMINAL_PHASES, find_container, grace_period
from podyard.kubelet.starter import PodAddresses
from podyard.kubelet.status import RUNTIME_PREFIX, Problem, View, make_status
from podyard.kubelet.tasks import Tasks
from podyard.kubelet.volumes import mount_problem
from podyard.process.clock import TimerHandle

Object = dict[str, Any]

SANDBOX_RETRY_SECONDS = 5.0
NETWORK_PATIENCE_SECONDS = 5.0
MESSAGE_LINES, MESSAGE_BYTES = 80, 2048  # of a termination message that is taken from the log
DEADLINE_REASON = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"

logger = logging.getLogger("kubelet")


class PodWorker:
    """Runs one pod from its binding to its end. `finished` is called when nothing of it is left."""

    def __init__(self, context: PodContext, pod: Object, finished: Callable[[str], None]) -> None:
        self.uid: str = pod["metadata"]["uid"]
        self._context = context
        self._pod = pod
        self._began = context.clock.now()
        self._gone = False
        self._finished = finished
        self._events = PodEvents(context.recorder, pod)
        self._wake = asyncio.Event()
        self._wake.set()
        self._tasks = Tasks(self._wake.set)
        self._restarts = Restarts(self.uid, context.backoff, context.clock)
        self._probes = PodProbes(self._ask, self._probed, self._wake.set, context.clock)
        self._known_probes: Mapping[str, tuple[bool, bool]] | None = _probes_of_status(pod)
        self._ending: EndingSteps | None = None
        self._observed = Observed()
        self._problems: Mapping[str, Problem] = {}
        self._messages: dict[str, str] = {}  # container id → the end of its log
        self._held: set[str] = set()  # containers whose postStart hook is not done: not running yet
        self._sandbox_retry_at = 0.0
        self._told: str = ""  # what keeps the whole pod, as last reported in an Event
        self._timer: TimerHandle | None = None
        self._timer_at = 0.0

    @property
    def pod(self) -> Object:
        """The latest object of the pod."""
        return self._pod

    @property
    def observed(self) -> Observed:
        """What the runtime had of the pod when the worker last looked."""
        return self._observed

    def waiting_reason(self, name: str) -> str:
        """Why a container waits, such as "CrashLoopBackOff"; empty when nothing is known to keep it."""
        problem = self._problems.get(name)
        return problem.reason if problem else ""

    def update(self, pod: Object) -> None:
        """The pod's object has changed."""
        self._pod = self._events.pod = pod
        self._wake.set()

    def removed(self) -> None:
        """The pod's object is gone: nothing of the pod may stay."""
        self._gone = True
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
                    logger.exception("pod %s", self._pod["metadata"]["name"])
                    self._wake_after(1.0)
        finally:
            self._probes.close()
            if self._timer is not None:
                self._timer.cancel()
            await self._tasks.cancel()
        self._context.statuses.forget(self.uid)
        self._finished(self.uid)

    async def _sync(self) -> None:
        runtime = self._context.runtime
        observed = observe(self.uid, await runtime.list_pod_sandboxes(), await runtime.list_containers())
        self._observed = with_messages(observed, self._last_words)
        self._watch_probes()
        wanted = self._wanted_ending()
        if wanted is None:
            self._progress()
        if wanted is not None or self._ending is not None:
            await self._end(wanted)
        self._publish()

    def _last_words(self, status: ContainerStatus) -> str:
        """The end of a failed container's log, if its terminationMessagePolicy asks for it."""
        container = find_container(self._pod, status.name) or {}
        if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        if status.id not in self._messages:
            self._messages[status.id] = last_words(status.log_path, MESSAGE_LINES, MESSAGE_BYTES)
        return self._messages[status.id]

    def _watch_probes(self) -> None:
        running = {}
        for status in self._observed.containers:
            found = find_container(self._pod, status.name)
            if found and status.state == ContainerState.RUNNING and status.name not in self._held:
                running[status.id] = found
        self._probes.watch(running, self._known_probes)
        self._known_probes = None

    def _wanted_ending(self) -> Ending | None:
        """Whether the pod must end, whatever its containers do."""
        status = self._pod.get("status") or {}
        phase = status.get("phase", "")
        settled = phase in TERMINAL_PHASES
        why = (phase, status.get("reason") or "", status.get("message") or "") if settled else ()
        if self._gone:
            return Ending(0.0, *why)
        if settled or self._pod["metadata"].get("deletionTimestamp"):
            return Ending(grace_period(self._pod), *why)
        deadline = self._pod["spec"].get("activeDeadlineSeconds")
        started = status.get("startTime")
        if deadline is not None and started:
            left = from_rfc3339(started) + deadline - self._context.clock.now()
            if left <= 0:
                return Ending(grace_period(self._pod), "Failed", DEADLINE_REASON, DEADLINE_MESSAGE)
            self._wake_after(left)
        return None

    def _progress(self) -> None:
        """Bring the pod nearer to what its spec asks for."""
        if self._ending is not None or self._is_kept():
            return
        actions = compute_actions(
            self._pod,
            self._observed,
            Facts(
                busy=self._tasks.names(),
                waits=self._restarts.waits(self._pod, self._observed),
                started=self._probes.started(),
                failed=self._probes.failed(),
            ),
        )
        if actions.finished:
            self._ending = EndingSteps(self._context, Ending(grace_period(self._pod)), self._wake.set)
            return
        self._carry_out(actions)
        self._problems = self._restarts.problems(self._pod, self._observed, actions.backing_off, self._events)
        if actions.backing_off:
            self._wake_after(min(actions.backing_off.values()))

    def _is_kept(self) -> bool:
        """Whether something keeps the pod as a whole from starting; users are told once."""
        if self._observed.ready_sandbox is not None:
            return False
        network = self._context.network_problem()
        mounts = mount_problem(self._pod)
        if network and not mounts:
            # A kubelet that starts learns of pods a moment before it learns of its addresses.
            if (left := self._began + NETWORK_PATIENCE_SECONDS - self._context.clock.now()) > 0:
                self._wake_after(left)
            else:
                self._tell("NetworkNotReady", f"network is not ready: {network}")
        elif mounts:
            self._tell("FailedMount", mounts)
        return bool(network or mounts)

    def _tell(self, reason: str, message: str) -> None:
        if self._told != message:
            self._told = message
            self._events.warning(reason, message)

    def _carry_out(self, actions: Actions) -> None:
        if actions.sandbox_attempt is not None:
            self._make_sandbox(actions.sandbox_attempt)
        for kill in actions.kill:
            if kill.name not in self._tasks:
                self._tasks.start(kill.name, self._kill(kill))
        for name in actions.start:
            if name not in self._tasks:
                self._tasks.start(name, self._start(name))

    def _make_sandbox(self, attempt: int) -> None:
        left = self._sandbox_retry_at - self._context.clock.now()
        if left > 0:
            self._wake_after(left)
        elif not self._tasks.names():
            self._tasks.start("pod sandbox", self._run_sandbox(attempt))

    async def _run_sandbox(self, attempt: int) -> None:
        if not await make_sandbox(self._context, self._pod, self._observed, attempt, self._events):
            self._sandbox_retry_at = self._context.clock.now() + SANDBOX_RETRY_SECONDS

    async def _start(self, name: str) -> None:
        container, sandbox = find_container(self._pod, name), self._observed.ready_sandbox
        if container is None or sandbox is None:
            return
        observed = self._observed
        latest = observed.latest(name)
        if latest is not None and latest.state == ContainerState.CREATED:
            # An earlier kubelet made it and did not come to start it.
            await self._context.runtime.remove_container(latest.id)
        await remove_old_containers(self._context, observed, name)
        self._restarts.starting(container, observed)
        where = PodAddresses(self._pod_ips(), (self._context.node_ip,))
        if (container.get("lifecycle") or {}).get("postStart"):
            self._held.add(name)
        try:
            await self._context.starter.start(
                self._pod, container, self._next_attempt(name), sandbox, where, self._events
            )
        except StartFailure as failure:
            self._restarts.failed(name, failure)
        else:
            self._restarts.succeeded(name)
        finally:
            self._held.discard(name)

    def _next_attempt(self, name: str) -> int:
        """The number of the instance to be made; the runtime's records come before the pod's status."""
        latest = self._observed.latest(name)
        if latest is not None:
            return latest.attempt + (latest.state != ContainerState.CREATED)
        for status in _container_statuses(self._with_last_status()):
            if status["name"] == name:
                return int(status.get("restartCount") or 0) + ("terminated" in status.get("state", {}))
        return 0

    async def _kill(self, kill: Kill) -> None:
        status = next(c for c in self._observed.containers if c.id == kill.container_id)
        self._restarts.killed(status.id)
        grace = grace_period(self._pod)
        container = find_container(self._pod, kill.name)
        if container is not None and kill.reason is not None:
            own = container[PROBE_FIELDS[kill.reason]].get("terminationGracePeriodSeconds")
            grace = grace if own is None else float(own)
        await kill_container(self._context, self._pod, status, grace, self._events, kill.message)

    async def _end(self, wanted: Ending | None) -> None:
        """Go on with the pod's end, and start it if need be."""
        if self._ending is None:
            assert wanted is not None
            self._ending = EndingSteps(self._context, wanted, self._wake.set)
            if wanted.reason == DEADLINE_REASON:
                self._events.normal(wanted.reason, wanted.message)
        if wanted is not None:
            self._ending.hasten(wanted.grace)
        self._probes.end_liveness()
        await self._ending.advance(self._pod, self._tasks, self._events, gone=self._gone)

    def _publish(self) -> None:
        """Tell the apiserver how the pod is."""
        if self._gone:
            return
        ending = self._ending
        if ending is not None and ending.final_status is not None:
            self._context.statuses.set(self._pod, ending.final_status, sent=ending.status_sent)
            return
        ended = ending is not None and ending.stopped
        sandbox = self._observed.sandbox
        view = View(
            now=self._context.clock.now(),
            pod_ips=self._pod_ips() if sandbox else (),
            host_ips=(self._context.node_ip,),
            problems={} if ending else self._problems,
            held=frozenset(self._held),
            started=self._probes.started(),
            ready=self._probes.ready(),
            ended=ended,
            phase=ending.wanted.phase if ending else "",
            reason=ending.wanted.reason if ending else "",
            message=ending.wanted.message if ending else "",
        )
        status = make_status(self._with_last_status(), self._observed, view)
        if ending is not None and ended:
            ending.final_status = status
            self._context.statuses.set(self._pod, status, sent=ending.status_sent)
        else:
            self._context.statuses.set(self._pod, status)

    def _with_last_status(self) -> Object:
        """The pod with the status that was computed last, which the apiserver may not have yet."""
        last = self._context.statuses.get(self.uid)
        if last is None:
            return self._pod
        current = self._pod.get("status") or {}
        others = [c for c in current.get("conditions") or () if c["type"] not in OWN_CONDITIONS]
        own = [c for c in last["conditions"] if c["type"] in OWN_CONDITIONS]
        return {**self._pod, "status": {**current, **last, "conditions": [*own, *others]}}

    def _pod_ips(self) -> tuple[str, ...]:
        sandbox = self._observed.sandbox
        return (sandbox.config.ip,) if sandbox else ()

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
        ips = self._pod_ips()
        return await run_probe(
            self._context.runtime, container, container_id, ips[0] if ips else self._context.node_ip, probe
        )

    def _probed(self, name: str, kind: ProbeKind, result: ProbeResult) -> None:
        if result.outcome == "warning":
            self._events.warning("ProbeWarning", f"{kind} probe warning: {result.output}", name)
        elif result.outcome == "unknown":
            text = f"{kind} probe errored and resulted in unknown state: {result.output}"
            self._events.warning("Unhealthy", text, name)
        else:
            self._events.warning("Unhealthy", f"{kind} probe failed: {result.output}", name)


def _container_statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _probes_of_status(pod: Object) -> dict[str, tuple[bool, bool]]:
    """By container id, whether an earlier kubelet has found a container started, and ready."""
    return {
        status["containerID"].removeprefix(RUNTIME_PREFIX): (
            bool(status.get("started")),
            bool(status["ready"]),
        )
        for status in _container_statuses(pod)
        if status.get("containerID")
    }
