"""The loopback provider: pods have addresses of 127.0.0.0/8, on which Linux answers without configuration."""

from __future__ import annotations

import json
import os
import socket
from ipaddress import IPv4Network
from pathlib import Path

from podyard.kubelet.network import NetworkError
from podyard.kubelet.network.allocator import Allocations

LOOPBACK = IPv4Network("127.0.0.0/8")


class LoopbackProvider:
    """Hands out addresses of the node's podCIDR and keeps the list in `state_file`."""

    name = "loopback"

    def __init__(self, state_file: Path) -> None:
        self._file = state_file
        self._allocations: Allocations | None = None

    async def configure(self, pod_cidr: str) -> None:
        """Check the range and read what was allocated in it. Allocations of another range are dropped."""
        try:
            network = IPv4Network(pod_cidr)
        except ValueError as error:
            raise NetworkError(f"the node's podCIDR {pod_cidr!r} is invalid: {error}") from None
        if self._allocations is not None and self._allocations.network == network:
            return
        if not network.subnet_of(LOOPBACK) or network.num_addresses < 4:
            raise NetworkError(f"the loopback network needs a podCIDR inside {LOOPBACK}, not {pod_cidr}")
        _check_answers(str(network[2]))
        self._allocations = self._load(network)

    async def allocate(self, pod_uid: str) -> str:
        """The pod's address, for as long as it is not released."""
        allocations = self._configured()
        known = allocations.by_pod.get(pod_uid)
        if known is not None:
            return known
        address = allocations.allocate(pod_uid)
        try:
            self._save()
        except NetworkError:
            allocations.release(pod_uid)
            raise
        return address

    async def release(self, pod_uid: str) -> None:
        """The pod is gone."""
        if self._allocations is not None and self._allocations.release(pod_uid):
            self._save()

    def address(self, pod_uid: str) -> str | None:
        """The pod's address if it has one."""
        return self._allocations.by_pod.get(pod_uid) if self._allocations else None

    async def adopt(self, pods: dict[str, str]) -> None:
        """Exactly these pods live."""
        allocations = self._configured()
        if allocations.by_pod != pods:
            allocations.by_pod = dict(pods)
            self._save()

    def _configured(self) -> Allocations:
        if self._allocations is None:
            raise NetworkError("the node has no podCIDR yet")
        return self._allocations

    def _load(self, network: IPv4Network) -> Allocations:
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
            if document["podCIDR"] != str(network):
                return Allocations(network)
            return Allocations(network, dict(document["pods"]), document["last"])
        except FileNotFoundError:
            return Allocations(network)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NetworkError(f"cannot read {self._file}: {error}") from None

    def _save(self) -> None:
        allocations = self._configured()
        document = {
            "podCIDR": str(allocations.network),
            "last": allocations.last,
            "pods": allocations.by_pod,
        }
        new = self._file.with_name(self._file.name + ".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(document), encoding="utf-8")
            os.replace(new, self._file)
        except OSError as error:
            raise NetworkError(f"cannot write {self._file}: {error}") from None


def _check_answers(address: str) -> None:
    """Bind a socket: on Linux the whole of 127.0.0.0/8 is local, elsewhere only 127.0.0.1 is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            message = f"this host does not answer on {address} (the loopback network needs Linux): {error}"
            raise NetworkError(message) from None
