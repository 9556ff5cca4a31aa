"""Where pods get their addresses: the network provider's contract.

The kubelet asks for an address before it runs a pod's sandbox and gives it back when the sandbox is
gone. Addresses come from the node's podCIDR, in rotation: a freed address is handed out again only
after all others have had their turn, so that a connection or a cached DNS answer meant for a pod
that is gone does not reach its successor. The network address, the broadcast address and the first
host address (the node's, in Kubernetes' bridge networks) are never handed out.

Allocations are written to disk before they are returned; a restarted kubelet has them all again.
Asking twice for the same pod gives the same address.

Implementations: `loopback.LoopbackProvider(state_file)`.
"""

from __future__ import annotations

from typing import Protocol


class NetworkError(Exception):
    """The provider cannot do what it was asked; the text is for the pod's FailedCreatePodSandBox Event."""


class AddressesExhausted(NetworkError):
    """Every address of the podCIDR is in use."""


class NetworkProvider(Protocol):
    """Hands out pod addresses on one node."""

    name: str
    """What the user calls it: "loopback"."""

    async def configure(self, pod_cidr: str) -> None:
        """The node's podCIDR is known; idempotent. Raises NetworkError when the host cannot do it."""

    async def allocate(self, pod_uid: str) -> str:
        """The pod's address, for as long as it is not released. Raises AddressesExhausted."""

    async def release(self, pod_uid: str) -> None:
        """The pod is gone. Unknown pods are ignored."""

    def address(self, pod_uid: str) -> str | None:
        """The pod's address if it has one."""

    async def adopt(self, pods: dict[str, str]) -> None:
        """After a restart exactly these pods (uid → address) live: release others, record missing ones."""
