"""Where pods get their addresses: the network provider's contract.

The kubelet asks for an address before it runs a pod's sandbox and gives it back when the sandbox is
gone. Addresses come from the node's podCIDR, in rotation: a freed address is handed out again only
after all others have had their turn, so that a connection or a cached DNS answer meant for a pod
that is gone does not reach its successor. The network address, the broadcast address and the first
host address (the node's, in Kubernetes' bridge networks) are never handed out.

Allocations are written to disk before they are returned; a restarted kubelet has them all again.
Asking twice for the same pod gives the same address.

Implementations: `loopback.LoopbackProvider`, where all pods share the node's network, and
`netns.NetnsProvider`, where each has a network namespace, which lasts as long as its sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from podyard.kubelet.runtime import NamespaceMode

NodeCondition = tuple[str, str, str, str]
"""Type, status, reason, message."""


class NetworkError(Exception):
    """The provider cannot do what it was asked; the text is for the pod's FailedCreatePodSandBox Event."""


class AddressesExhausted(NetworkError):
    """Every address of the podCIDR is in use."""


@dataclass(frozen=True, slots=True)
class ConnectedPod:
    """A pod that runs: its address, and the process that its sandbox is."""

    address: str
    pid: int


class NetworkProvider(Protocol):
    """Hands out pod addresses on one node."""

    name: str
    """What the user calls it: "loopback", "netns"."""

    mode: NamespaceMode
    """Whose network a pod is in: its own (POD), or the node's (NODE)."""

    async def configure(self, pod_cidr: str) -> None:
        """The node's podCIDR is known; idempotent. Raises NetworkError when the host cannot do it."""

    async def allocate(self, pod_uid: str) -> str:
        """The pod's address, for as long as it is not released. Raises AddressesExhausted."""

    async def connect(self, pod_uid: str, pid: int) -> None:
        """Make the allocated address answer in the namespace of `pid`, the pod's sandbox.

        Called before any of its containers starts; idempotent. Raises NetworkError.
        """

    async def release(self, pod_uid: str) -> None:
        """The pod is gone. Unknown pods are ignored."""

    def address(self, pod_uid: str) -> str | None:
        """The pod's address if it has one."""

    async def adopt(self, pods: Mapping[str, ConnectedPod]) -> None:
        """After a restart exactly these pods live: release others, record missing ones, connect all."""

    def conditions(self) -> list[NodeCondition]:
        """What the Node's status says of the network."""
