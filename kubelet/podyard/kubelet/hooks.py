"""Lifecycle hooks: postStart and preStop (pkg/kubelet/lifecycle/handlers.go)."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.probes.handlers import PortNotFound, http_headers, http_url
from podyard.kubelet.probes.http import HttpError, http_get
from podyard.kubelet.runtime import ContainerRuntime, RuntimeFailure
from podyard.process.clock import Clock

Object = dict[str, Any]

NO_LIMIT = 10**6
"""A hook's own time; who runs it cuts it off earlier where the pod's grace period says so. Seconds."""


class HookError(Exception):
    """The hook failed; the text says how."""


async def run_hook(
    runtime: ContainerRuntime, clock: Clock, container: Object, container_id: str, pod_ip: str, hook: Object
) -> None:
    """Carry out one hook to its end. Raises HookError."""
    if action := hook.get("exec"):
        await _run_command(runtime, container_id, action.get("command") or [])
    elif action := hook.get("httpGet"):
        await _get(container, action, pod_ip)
    elif action := hook.get("sleep"):
        await clock.sleep(float(action.get("seconds") or 0))
    else:
        raise HookError(f"invalid handler: {', '.join(sorted(hook)) or 'none'}")


async def _run_command(runtime: ContainerRuntime, container_id: str, command: list[str]) -> None:
    try:
        result = await runtime.exec_sync(container_id, command, NO_LIMIT)
    except RuntimeFailure as error:
        raise HookError(str(error)) from None
    if result.exit_code != 0:
        output = (result.stdout + result.stderr).decode(errors="replace")
        raise HookError(f"command '{' '.join(command)}' exited with {result.exit_code}: {output}")


async def _get(container: Object, action: Object, pod_ip: str) -> None:
    try:
        reply = await http_get(http_url(container, action, pod_ip), http_headers(action))
    except (TimeoutError, OSError, HttpError, ValueError, PortNotFound) as error:
        raise HookError(str(error)) from None
    if reply.status >= 400:
        raise HookError(f"HTTP hook failed with statuscode: {reply.status}")
