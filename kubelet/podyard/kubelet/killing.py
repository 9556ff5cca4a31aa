"""Ending containers: preStop, the stop signal, the grace period (kuberuntime killContainer)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from podyard.kubelet.hooks import HookError, run_hook
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.runtime import ContainerState, ContainerStatus
from podyard.kubelet.spec import find_container, init_containers, is_sidecar

Object = dict[str, Any]

MINIMUM_GRACE_SECONDS = 2.0
"""What a container gets after its preStop hook, however long that took."""

logger = logging.getLogger("kubelet")


async def kill_container(
    context: PodContext,
    pod: Object,
    status: ContainerStatus,
    grace: float,
    events: PodEvents,
    message: str = "",
    *,
    again: bool = False,
) -> None:
    """End one container within `grace` seconds; 0 kills it at once, without its hook.

    `again`: its end has begun already and is to come sooner; neither Event nor hook a second time. One
    that never ran has neither.
    """
    ran = status.state == ContainerState.RUNNING or status.pid > 0
    container = find_container(pod, status.name) or {"name": status.name}
    if ran and not again:
        events.normal("Killing", message or f"Stopping container {status.name}", status.name)
    began = context.clock.now()
    hook = (container.get("lifecycle") or {}).get("preStop")
    if hook and grace > 0 and ran and not again:
        try:
            ip = await _ip(context, status)
            async with asyncio.timeout(grace):
                await run_hook(context.runtime, context.clock, container, status.id, ip, hook)
        except (HookError, TimeoutError) as error:
            logger.info("preStop hook of %s in %s: %s", status.name, pod["metadata"]["name"], error)
            events.warning("FailedPreStopHook", "PreStopHook failed", status.name)
    if grace > 0:
        grace = max(grace - (context.clock.now() - began), MINIMUM_GRACE_SECONDS)
    await context.runtime.stop_container(status.id, grace)


async def kill_all(
    context: PodContext,
    pod: Object,
    running: list[ContainerStatus],
    grace: float,
    events: PodEvents,
    *,
    again: bool = False,
) -> None:
    """End all containers of a pod: the regular ones together, then the sidecars, last started first."""
    sidecars = [c["name"] for c in init_containers(pod) if is_sidecar(c)]
    ends_at = context.clock.now() + grace
    first = [status for status in running if status.name not in sidecars]
    await asyncio.gather(
        *(kill_container(context, pod, status, grace, events, again=again) for status in first)
    )
    for name in reversed(sidecars):
        left = max(ends_at - context.clock.now(), MINIMUM_GRACE_SECONDS) if grace > 0 else 0.0
        for status in running:
            if status.name == name:
                await kill_container(context, pod, status, left, events, again=again)


async def _ip(context: PodContext, status: ContainerStatus) -> str:
    sandboxes = await context.runtime.list_pod_sandboxes()
    return next((s.config.ip for s in sandboxes if s.id == status.sandbox_id), context.node_ip)
