"""What the parts of a LAN are called."""

from __future__ import annotations

from podyard.cli.cluster.config import ClusterConfig

LAN = "lan"
"""The namespace with the bridge; a node's is called as the node."""


def host_link(cluster: ClusterConfig) -> str:
    """The host's link to it, and the host's table of nftables."""
    return f"podyard-up{cluster.index}"
