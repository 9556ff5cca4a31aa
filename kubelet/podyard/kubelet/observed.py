"""What the runtime has of one pod, as a value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from podyard.kubelet.runtime import ContainerState, ContainerStatus, PodSandbox, SandboxState


@dataclass(frozen=True, slots=True)
class Observed:
    """A pod's newest sandbox, and its containers of all its sandboxes, oldest first."""

    sandbox: PodSandbox | None = None
    containers: tuple[ContainerStatus, ...] = ()

    @property
    def ready_sandbox(self) -> PodSandbox | None:
        """The sandbox, if containers can run in it."""
        if self.sandbox is None or self.sandbox.state != SandboxState.READY:
            return None
        return self.sandbox

    def latest(self, name: str) -> ContainerStatus | None:
        """The newest instance of a container."""
        return next((c for c in reversed(self.containers) if c.name == name), None)

    def current(self, name: str) -> ContainerStatus | None:
        """The newest instance, if it belongs to the present sandbox."""
        status = self.latest(name)
        return status if status and self.sandbox and status.sandbox_id == self.sandbox.id else None

    def previous(self, name: str) -> ContainerStatus | None:
        """The instance before the newest, if it has ended."""
        older = [c for c in self.containers if c.name == name][:-1]
        return older[-1] if older and older[-1].state == ContainerState.EXITED else None

    def running(self) -> list[ContainerStatus]:
        """The containers that have a process, or are about to."""
        return [c for c in self.containers if c.state != ContainerState.EXITED]


def observe(uid: str, sandboxes: Iterable[PodSandbox], containers: Iterable[ContainerStatus]) -> Observed:
    """The part of the runtime's lists, oldest first, that belongs to the pod `uid`."""
    newest = None
    for sandbox in sandboxes:
        if sandbox.config.uid == uid:
            newest = sandbox
    return Observed(newest, tuple(c for c in containers if c.pod_uid == uid))


def forgotten_sandboxes(uid: str, observed: Observed, sandboxes: Iterable[PodSandbox]) -> list[str]:
    """The ids of the pod's sandboxes before its last one of which no container is listed any more.

    Source: Kubernetes' garbage collection (pkg/kubelet/kuberuntime/kuberuntime_gc.go, evictSandboxes).
    """
    kept = {status.sandbox_id for status in observed.containers}
    if observed.sandbox is not None:
        kept.add(observed.sandbox.id)
    return [s.id for s in sandboxes if s.config.uid == uid and s.id not in kept]


def with_messages(observed: Observed, message: Callable[[ContainerStatus], str]) -> Observed:
    """The same, with a message for each container that failed without leaving one."""
    return replace(
        observed,
        containers=tuple(
            replace(c, message=message(c)) if _is_silent_failure(c) else c for c in observed.containers
        ),
    )


def _is_silent_failure(status: ContainerStatus) -> bool:
    return status.state == ContainerState.EXITED and status.exit_code != 0 and not status.message
