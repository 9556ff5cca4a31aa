"""The probes of one pod's containers, in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from podyard.kubelet.probes import PROBE_FIELDS, ProbeKind, ProbeResult
from podyard.kubelet.probes.decision import ProbeState, initial_state, next_state
from podyard.kubelet.probes.handlers import is_network_probe
from podyard.process.clock import Clock

Object = dict[str, Any]

EAGER_SECONDS = 0.1
MAX_TRIES = 3  # maxProbeRetries of prober.go

logger = logging.getLogger("kubelet.probes")

Ask = Callable[[Object, str, Object], Awaitable[ProbeResult]]
"""(container, container id, probe) → the result of one attempt"""

Report = Callable[[str, ProbeKind, ProbeResult], None]
"""Told (container name, kind, result) of every result that deserves an Event."""


@dataclass(slots=True)
class _Probed:
    """One running container and its probes' tasks and states."""

    container: Object
    states: dict[ProbeKind, ProbeState]
    tasks: dict[ProbeKind, asyncio.Task[None]]


class PodProbes:
    """Probes a pod's running containers and says what follows.

    `changed` is called when a decision changes, `report` with results that users should hear of.
    """

    def __init__(self, ask: Ask, report: Report, changed: Callable[[], None], clock: Clock) -> None:
        self._ask = ask
        self._report = report
        self._changed = changed
        self._clock = clock
        self._probed: dict[str, _Probed] = {}
        self._ending = False

    def watch(
        self, running: Mapping[str, Object], known: Mapping[str, tuple[bool, bool]] | None = None
    ) -> None:
        """Probe exactly these containers (by id) from now on.

        `known` gives (started, ready) of containers that an earlier kubelet has probed already: they
        stand where they were until a probe says otherwise.
        """
        for container_id in [cid for cid in self._probed if cid not in running]:
            self._drop(container_id)
        for container_id, container in running.items():
            if container_id not in self._probed:
                self._probed[container_id] = _adopted(container, (known or {}).get(container_id))
                self._start_due(container_id)

    def end_liveness(self) -> None:
        """The pod is being ended: only its readiness matters any more."""
        self._ending = True
        for probed in self._probed.values():
            for kind in ("Liveness", "Startup"):
                if task := probed.tasks.pop(kind, None):
                    task.cancel()

    def started(self) -> dict[str, bool]:
        """By container id: whether it is past its startup probe, or has none."""
        return {container_id: _started(probed) for container_id, probed in self._probed.items()}

    def ready(self) -> dict[str, bool]:
        """By container id: whether it has started and its readiness probe, if any, is content."""
        return {
            container_id: _started(probed) and _good(probed, "Readiness")
            for container_id, probed in self._probed.items()
        }

    def failed(self) -> dict[str, ProbeKind]:
        """The containers whose liveness or startup probe demands their end."""
        kinds: tuple[ProbeKind, ...] = ("Liveness", "Startup")
        return {
            container_id: kind
            for container_id, probed in self._probed.items()
            for kind in kinds
            if kind in probed.states and probed.states[kind].good is False
        }

    def close(self) -> None:
        """Stop all."""
        for container_id in list(self._probed):
            self._drop(container_id)

    def _drop(self, container_id: str) -> None:
        for task in self._probed.pop(container_id).tasks.values():
            task.cancel()

    def _start_due(self, container_id: str) -> None:
        """Begin what may begin: the startup probe alone until the container has started."""
        probed = self._probed[container_id]
        started = _started(probed)
        for kind in probed.states:
            due = not started if kind == "Startup" else started
            if kind != "Readiness" and self._ending:
                continue
            if due and kind not in probed.tasks:
                probed.tasks[kind] = asyncio.create_task(self._run(container_id, probed, kind))

    async def _run(self, container_id: str, probed: _Probed, kind: ProbeKind) -> None:
        probe = probed.container[PROBE_FIELDS[kind]]
        period = float(probe.get("periodSeconds") or 10)
        if delay := float(probe.get("initialDelaySeconds") or 0):
            await self._clock.sleep(delay)
        elif kind != "Liveness" and is_network_probe(probe):
            await self._run_eagerly(container_id, probed, kind, period)
        while True:
            result = await self._try(container_id, probed, kind)
            if result.outcome != "success":
                self._report(probed.container["name"], kind, result)
            if self._count(container_id, probed, kind, result):
                return
            await self._clock.sleep(period)

    async def _run_eagerly(self, container_id: str, probed: _Probed, kind: ProbeKind, period: float) -> None:
        """Ask ever less often during the first period, until the program has begun to listen.

        Failures do not count then. Kubernetes asks at a random moment of the period instead, so a
        program that needs 200 ms to start would be found ready some seconds later.
        """
        pause, spent = EAGER_SECONDS, 0.0
        while spent + pause < period:
            if (await self._ask_once(container_id, probed, kind)).outcome in ("success", "warning"):
                return
            await self._clock.sleep(pause)
            spent, pause = spent + pause, pause * 2
        await self._clock.sleep(period - spent)

    async def _try(self, container_id: str, probed: _Probed, kind: ProbeKind) -> ProbeResult:
        """Ask, and again at once where nothing could be learnt."""
        for _ in range(MAX_TRIES):
            result = await self._ask_once(container_id, probed, kind)
            if result.outcome != "unknown":
                break
        return result

    async def _ask_once(self, container_id: str, probed: _Probed, kind: ProbeKind) -> ProbeResult:
        try:
            return await self._ask(probed.container, container_id, probed.container[PROBE_FIELDS[kind]])
        except Exception as error:
            logger.exception("%s probe of %s", kind, container_id)
            return ProbeResult("unknown", str(error))

    def _count(self, container_id: str, probed: _Probed, kind: ProbeKind, result: ProbeResult) -> bool:
        """Count a result; whether the probe has done its work for this container."""
        before = probed.states[kind]
        after = next_state(before, result.outcome, probed.container[PROBE_FIELDS[kind]])
        probed.states[kind] = after
        if after.good == before.good:
            return False
        if kind == "Startup" and after.good:
            self._start_due(container_id)
        self._changed()
        return kind == "Startup" or (kind == "Liveness" and not after.good)


def _adopted(container: Object, known: tuple[bool, bool] | None) -> _Probed:
    states = {kind: initial_state(kind) for kind, field in PROBE_FIELDS.items() if container.get(field)}
    if known is not None:
        started, ready = known
        if "Startup" in states and started:
            states["Startup"] = ProbeState(True)
        if "Readiness" in states and ready:
            states["Readiness"] = ProbeState(True)
    return _Probed(container, states, {})


def _good(probed: _Probed, kind: ProbeKind) -> bool:
    state = probed.states.get(kind)
    return state is None or state.good is True


def _started(probed: _Probed) -> bool:
    return _good(probed, "Startup")
