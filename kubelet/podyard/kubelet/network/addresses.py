"""The addresses of a node's podCIDR: who has which, kept on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

from podyard.kubelet.network import NetworkError
from podyard.kubelet.network.allocator import Allocations


class AddressBook:
    """Hands out addresses of the node's podCIDR and keeps the list in `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._allocations: Allocations | None = None

    @property
    def network(self) -> IPv4Network | None:
        """The podCIDR, once it is known."""
        return self._allocations.network if self._allocations else None

    def open(self, network: IPv4Network) -> None:
        """Read what was allocated in the range. Allocations of another range are dropped."""
        self._allocations = self._load(network)

    def allocate(self, pod_uid: str) -> str:
        """The pod's address, written to disk before it is returned. Raises NetworkError."""
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

    def release(self, pod_uid: str) -> None:
        """The pod is gone. Unknown pods are ignored."""
        if self._allocations is not None and self._allocations.release(pod_uid):
            self._save()

    def address(self, pod_uid: str) -> str | None:
        """The pod's address if it has one."""
        return self._allocations.by_pod.get(pod_uid) if self._allocations else None

    def adopt(self, pods: Mapping[str, str]) -> None:
        """Exactly these pods (uid → address) live."""
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


def parse_range(pod_cidr: str) -> IPv4Network:
    """A node's podCIDR. Raises NetworkError when it is none."""
    try:
        return IPv4Network(pod_cidr)
    except ValueError as error:
        raise NetworkError(f"the node's podCIDR {pod_cidr!r} is invalid: {error}") from None
