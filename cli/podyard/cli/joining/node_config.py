"""What is kept of a node that has joined: node.json in its data directory, beside its certificates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from podyard.cli.joining.settings import Settings
from podyard.process.certificates import write_file
from podyard.process.main import UserError

FORMAT = 1
"""Of the file. A newer one is refused, an older one would be migrated."""


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
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"
        write_file(_file(self.path), text.encode(), 0o644)


def load(data_dir: Path) -> NodeConfig | None:
    """The node whose state is in a directory; None when there is none. Raises UserError when unreadable."""
    file = _file(data_dir)
    try:
        fields = json.loads(file.read_text())
        version = fields.pop("format")
        if version != FORMAT:
            raise UserError(
                f"{file} has format {version}, made by another podyard; this one reads format {FORMAT}. "
                "Nothing was changed: use that podyard, or another --data-dir"
            )
        settings = Settings(**fields.pop("settings"))
        return NodeConfig(**{**fields, "settings": settings, "data_dir": str(data_dir)})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{file} is damaged. Nothing was changed: restore it, or use another --data-dir"
        ) from None


def _file(data_dir: Path) -> Path:
    return data_dir / "node.json"
