"""Making and clearing away pod sandboxes, with their addresses and logs."""

from __future__ import annotations

import logging
import shutil
from typing import Any

from podyard.kubelet import security
from podyard.kubelet.isolation import EVENT, pod_warning
from podyard.kubelet.network import NetworkError
from podyard.kubelet.observed import Observed, forgotten_sandboxes
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.runtime import RuntimeFailure

Object = dict[str, Any]

logger = logging.getLogger("kubelet")


async def make_sandbox(
    context: PodContext, pod: Object, observed: Observed, attempt: int, events: PodEvents
) -> bool:
    """Give the pod an address and a sandbox; False, with an Event, when that fails."""
    uid = pod["metadata"]["uid"]
    try:
        if observed.sandbox is not None:
            events.normal("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
            await context.runtime.stop_pod_sandbox(observed.sandbox.id)
            for empty in forgotten_sandboxes(uid, observed, await context.runtime.list_pod_sandboxes()):
                await context.runtime.remove_pod_sandbox(empty)
        hosted = pod["spec"].get("hostNetwork")
        ip = context.node_ip if hosted else await context.network.allocate(uid)
        await context.runtime.run_pod_sandbox(context.sandbox_config(pod, ip, attempt))
        if observed.sandbox is None:
            await _warn(context, pod, events)
    except (NetworkError, RuntimeFailure) as error:
        logger.warning("sandbox of pod %s: %s", pod["metadata"]["name"], error)
        events.warning("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
        return False
    return True


async def _warn(context: PodContext, pod: Object, events: PodEvents) -> None:
    """Tell what of the pod's spec does not hold on this node."""
    features = await context.runtime.features()
    own = security.Own.of_this_process()
    for reason, lacks in (
        (EVENT, pod_warning(pod, features)),
        (security.EVENT, security.pod_warning(pod, own, features)),
    ):
        if lacks:
            events.warning(reason, lacks)


async def stop_sandboxes(context: PodContext, uid: str) -> None:
    """End all processes of a pod and free its address. Its containers stay listed, its logs stay."""
    for sandbox in await context.runtime.list_pod_sandboxes():
        if sandbox.config.uid == uid:
            await context.runtime.stop_pod_sandbox(sandbox.id)
    await context.network.release(uid)


async def remove_sandboxes(context: PodContext, uid: str) -> None:
    """Clear away all that is left of a pod on this node."""
    for sandbox in await context.runtime.list_pod_sandboxes():
        if sandbox.config.uid == uid:
            await context.runtime.remove_pod_sandbox(sandbox.id)
            shutil.rmtree(sandbox.config.log_directory, ignore_errors=True)
    await context.network.release(uid)
    context.puller.forget(uid)
    context.backoff.forget(uid)


async def remove_old_containers(context: PodContext, observed: Observed, name: str) -> None:
    """Forget all instances of a container that is being started anew but its latest one."""
    instances = [status for status in observed.containers if status.name == name]
    for status in instances[:-1]:
        await context.runtime.remove_container(status.id)
