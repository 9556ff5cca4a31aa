"""Runs a cluster, or the part of it that is on the host of its apiserver."""

from __future__ import annotations

from podyard.cli.cluster import control, kubeconfig, pki, place
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.cluster.orphans import wait_for_orphans
from podyard.cli.cluster.run import Report, stop_by_signal, supervise
from podyard.cli.rootless.listeners import ListenerServer


async def run(cluster: ClusterConfig, report: Report) -> None:
    """Run the cluster until SIGINT or SIGTERM. Raises UserError when it cannot start."""
    stop = stop_by_signal()
    lock = control.Lock(cluster.path)
    lock.acquire()
    listeners = None
    try:
        kubeconfig.check_user_file()
        await wait_for_orphans(cluster.path)
        (cluster.path / "images").mkdir(exist_ok=True)
        pki.ensure(cluster)
        place.check_ports(cluster)
        where = place.prepare(cluster)
        if where.has_gate:
            listeners = ListenerServer(control.socket_path(cluster.path, "listeners"))
        await supervise(where, cluster.path, report, stop)
    finally:
        if listeners is not None:
            listeners.close()
        lock.close()
