"""Ends the pods of a cluster that is stopping, or of one that was killed."""

from __future__ import annotations

from podyard.cli.cluster.config import ClusterConfig


async def stop_all(cluster: ClusterConfig) -> None:
    """End every pod process of every node that this data directory ever had."""
    # Late: the kubelet's modules are of no use to a supervisor that only waits.
    from podyard.kubelet.command import stop_all_pods

    await stop_all_pods(cluster.path)
