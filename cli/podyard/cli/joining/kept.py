"""What a data directory on this host holds: a cluster, or a node of one elsewhere."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podyard.cli.cluster import config, index, kubeconfig, place
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.joining import node_config
from podyard.cli.joining.node import JoinedNode
from podyard.cli.joining.node_config import NodeConfig
from podyard.process.main import UserError


class Kept(Protocol):
    """One of the two, for `podyard status` and `podyard down`."""

    @property
    def path(self) -> Path:
        """Its data directory."""

    @property
    def command(self) -> str:
        """The sub-command that runs it."""

    @property
    def called(self) -> str:
        """What it is and its name."""

    async def leave(self) -> None:
        """End what is left of it when it does not run."""

    def purge(self) -> None:
        """Remove its state."""


@dataclass(frozen=True, slots=True)
class KeptCluster:
    """A cluster of this host."""

    cluster: ClusterConfig

    @property
    def path(self) -> Path:
        """Its data directory."""
        return self.cluster.path

    @property
    def command(self) -> str:
        """The sub-command that runs it."""
        return self.cluster.command

    @property
    def called(self) -> str:
        """What it is and its name."""
        return f"cluster {self.cluster.name}"

    async def leave(self) -> None:
        """End its pods and its namespaces."""
        await place.find(self.cluster).leave()

    def purge(self) -> None:
        """Remove its state, and its context from the user's kubeconfig. Raises UserError if that stays."""
        shutil.rmtree(self.cluster.path)
        index.forget(self.cluster.name)
        try:
            kubeconfig.remove_context(self.cluster)
        except UserError as error:
            context = self.cluster.context
            raise UserError(f"{self.called} is removed, its context {context!r} is not: {error}") from None


@dataclass(frozen=True, slots=True)
class KeptNode:
    """A node that has joined. Its cluster is told nothing: `kubectl delete node` is for its administrator."""

    node: NodeConfig

    @property
    def path(self) -> Path:
        """Its data directory."""
        return self.node.path

    @property
    def command(self) -> str:
        """The sub-command that runs it."""
        return "join"

    @property
    def called(self) -> str:
        """What it is and its name."""
        return f"node {self.node.node_name}"

    async def leave(self) -> None:
        """End its pods."""
        await JoinedNode(self.node).leave()

    def purge(self) -> None:
        """Remove its state, its certificates among it."""
        shutil.rmtree(self.node.path)
        index.forget(self.node.name)


def require(name: str, data_dir: Path | None) -> Kept:
    """What there is of that name or in that directory, or a UserError."""
    where = index.place_of(name, data_dir)
    cluster, node = config.load(where), node_config.load(where)
    if cluster is not None:
        return KeptCluster(cluster)
    if node is not None:
        return KeptNode(node)
    raise index.missing(name, data_dir)
