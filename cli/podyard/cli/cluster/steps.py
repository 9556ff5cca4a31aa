"""What a user is told while a cluster starts: a few steps, each made of some processes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podyard.cli.cluster.config import ClusterConfig


@dataclass(frozen=True, slots=True)
class Step:
    """One line: what it is called, where it is, which processes must be ready for it."""

    name: str
    address: str
    processes: tuple[str, ...]


def steps(cluster: ClusterConfig) -> list[Step]:
    """The steps in the order in which they are shown."""
    found = [
        Step("apiserver", cluster.api_url, ("apiserver",)),
        Step("controllers", "", ("controller-manager",)),
    ]
    for number, node in enumerate(cluster.node_names(), 1):
        found.append(Step(node, cluster.node_ip(number), (f"kubelet-{node}", f"proxy-{node}")))
    dns = cluster.control_plane_ip if cluster.advertise else cluster.dns_ip
    found.append(Step("DNS", f"{dns}:53", ("dns",)))
    return found


def done(steps_: Iterable[Step], ready: set[str]) -> list[Step]:
    """The steps whose processes are all ready."""
    return [step for step in steps_ if set(step.processes) <= ready]
