"""Which address comes next: pure, over the state that the provider keeps on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from podyard.kubelet.network import AddressesExhausted


@dataclass(slots=True)
class Allocations:
    """The addresses of one podCIDR: who has which, and which was handed out last."""

    network: IPv4Network
    by_pod: dict[str, str] = field(default_factory=dict)
    last: str = ""

    def allocate(self, pod_uid: str) -> str:
        """The pod's address; a new pod gets the next free one after the last, beginning again at the end."""
        if pod_uid not in self.by_pod:
            taken = set(self.by_pod.values())
            for candidate in self._rotation():
                if candidate not in taken:
                    self.by_pod[pod_uid] = self.last = candidate
                    break
            else:
                raise AddressesExhausted(f"no free address in the node's podCIDR {self.network}")
        return self.by_pod[pod_uid]

    def release(self, pod_uid: str) -> bool:
        """Forget the pod; whether it had an address."""
        return self.by_pod.pop(pod_uid, None) is not None

    def _rotation(self) -> Iterable[str]:
        first = int(self.network.network_address) + 2  # .0 is the network's, .1 the node's
        end = int(self.network.broadcast_address)
        size = end - first
        after = int(IPv4Address(self.last)) + 1 - first if self.last else 0
        return (str(IPv4Address(first + (after + step) % size)) for step in range(size))
