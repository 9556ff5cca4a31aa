"""What is kept of a node that has joined: node.json in its data directory, beside its certificates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from podyard.cli import statefile
from podyard.cli.joining.settings import Settings


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A node of a cluster elsewhere. `name` is what `podyard status` and `down` call it on this host.

    `api` is the HOST:PORT by which it has joined, `settings` what the server has said last.
    """

    name: str
    data_dir: str
    node_name: str
    node_ip: str
    api: str
    settings: Settings

    @property
    def path(self) -> Path:
        """The data directory."""
        return Path(self.data_dir)

    @property
    def ca_file(self) -> Path:
        """The cluster's CA certificate."""
        return self.path / "pki" / "ca.crt"

    @property
    def client_file(self) -> Path:
        """The node's certificate and key, with which it calls the apiserver."""
        return self.path / "pki" / "kubelet-client-current.pem"

    @property
    def serving_file(self) -> Path:
        """The certificate and key with which its kubelet answers the apiserver."""
        return self.path / "pki" / "kubelet-serving-current.pem"

    def save(self) -> None:
        """Write it into the data directory, all or nothing."""
        statefile.save(_file(self.path), asdict(self))


def load(data_dir: Path) -> NodeConfig | None:
    """The node whose state is in a directory; None when there is none. Raises UserError when unreadable."""

    def make(fields: dict[str, Any]) -> NodeConfig:
        settings = Settings(**fields.pop("settings"))
        return NodeConfig(**{**fields, "settings": settings, "data_dir": str(data_dir)})

    return statefile.load(_file(data_dir), make)


def _file(data_dir: Path) -> Path:
    return data_dir / "node.json"
