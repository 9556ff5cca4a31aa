"""The loopback provider: pods have addresses of 127.0.0.0/8, on which Linux answers without configuration."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

from podyard.kubelet.network import ConnectedPod, NetworkError, NodeCondition
from podyard.kubelet.network.addresses import AddressBook, parse_range
from podyard.kubelet.runtime import NamespaceMode

LOOPBACK = IPv4Network("127.0.0.0/8")


class LoopbackProvider:
    """Hands out addresses of the node's podCIDR and keeps the list in `state_file`."""

    name = "loopback"
    mode = NamespaceMode.NODE

    def __init__(self, state_file: Path) -> None:
        self._book = AddressBook(state_file)

    async def configure(self, pod_cidr: str) -> None:
        """Check the range and read what was allocated in it. Allocations of another range are dropped."""
        network = parse_range(pod_cidr)
        if self._book.network == network:
            return
        if not network.subnet_of(LOOPBACK) or network.num_addresses < 4:
            raise NetworkError(f"the loopback network needs a podCIDR inside {LOOPBACK}, not {pod_cidr}")
        _check_answers(str(network[2]))
        self._book.open(network)

    async def allocate(self, pod_uid: str) -> str:
        """The pod's address, for as long as it is not released."""
        return self._book.allocate(pod_uid)

    async def connect(self, pod_uid: str, pid: int) -> None:
        """Nothing: the address answers already."""

    async def release(self, pod_uid: str) -> None:
        """The pod is gone."""
        self._book.release(pod_uid)

    def address(self, pod_uid: str) -> str | None:
        """The pod's address if it has one."""
        return self._book.address(pod_uid)

    async def adopt(self, pods: Mapping[str, ConnectedPod]) -> None:
        """Exactly these pods live."""
        self._book.adopt({uid: pod.address for uid, pod in pods.items()})

    def conditions(self) -> list[NodeCondition]:
        """None: nothing can be missing that would not make the node NotReady."""
        return []


def _check_answers(address: str) -> None:
    """Bind a socket: on Linux the whole of 127.0.0.0/8 is local, elsewhere only 127.0.0.1 is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            message = f"this host does not answer on {address} (the loopback network needs Linux): {error}"
            raise NetworkError(message) from None
