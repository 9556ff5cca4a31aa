"""Where a cluster's processes run: on the host, or in namespaces of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from podyard.cli.cluster import dnsprobe, kubeconfig, ports
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.cluster.processes import ProcessSpec, gate, host_ports, processes, required_ports
from podyard.cli.cluster.run import START_SECONDS
from podyard.cli.lan.names import LAN
from podyard.cli.rootless import namespace
from podyard.cli.rootless.namespace import Namespace
from podyard.process.main import UserError


@dataclass(frozen=True, slots=True)
class Place:
    """`namespace` is that of the whole cluster, None when it is on the host; `nodes` are those of a LAN.

    `note` is something that the user should know.
    """

    cluster: ClusterConfig
    namespace: Namespace | None
    nodes: Mapping[str, Namespace] = field(default_factory=dict)
    note: str = ""

    @property
    def has_gate(self) -> bool:
        """Whether the apiserver is not on the host's own 127.0.0.1, so that the gate must lead to it."""
        return self.namespace is not None or self.cluster.has_lan

    def command(self, spec: ProcessSpec) -> list[str]:
        """The command line of a process, where it belongs."""
        node = self.nodes.get(spec.node)
        return node.wrap(spec.command) if node else self._wrap(spec.command)

    def processes(self) -> list[ProcessSpec]:
        """What to run."""
        return [
            *processes(self.cluster, inside=self.namespace is not None),
            *([gate(self.cluster)] if self.has_gate else []),
        ]

    def with_lan(self) -> Place:
        """The same, when the links between the nodes have been made, or mended. Raises UserError."""
        done = self._links("make")
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise UserError(done.stdout.strip() or f"the links between the nodes cannot be made: {last}")
        return replace(self, note=done.stdout.strip())

    def give_up(self) -> None:
        """End what has been made for a cluster that cannot start."""
        if self.cluster.has_lan:
            self._links("remove")
        namespace.release_all(self.cluster.path)

    def _links(self, verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "podyard.cli.lan.links", verb, self.cluster.data_dir]
        return subprocess.run(self._wrap(command), capture_output=True, text=True, check=False)

    async def until_it_serves(self, all_ready: asyncio.Event) -> None:
        """Wait until every process is ready and a query to the cluster's DNS is answered."""
        async with asyncio.timeout(START_SECONDS):
            await all_ready.wait()
            await self._until_dns_answers()

    async def _until_dns_answers(self) -> None:
        name = f"kubernetes.default.svc.{self.cluster.cluster_domain}"
        if self.namespace is not None:
            await self._run("podyard.cli.cluster.dnsprobe", self.cluster.dns_ip, name)
        elif self.cluster.advertise:  # the Service's address is one of its nodes, of which there may be none
            await dnsprobe.until_answered(self.cluster.control_plane_ip, name)
        else:
            await dnsprobe.until_answered(self.cluster.dns_ip, name)

    async def serving(self) -> dict[str, object]:
        """It serves: make that known, and give what there is to report."""
        told: dict[str, object] = {"inside": self.namespace is not None, "note": self.note}
        if self.cluster.advertise:
            # Late: it loads the client, which a cluster of one machine has no use for here.
            from podyard.cli.joining.publish import publish

            invitation = await publish(self.cluster)
            told |= {"join": invitation.command, "hours": invitation.hours}
        return {"serving": str(kubeconfig.add_context(self.cluster)), **told}

    async def leave(self) -> None:
        """End what is left of the cluster: its pods, and the namespaces that were made for it."""
        await self._stop_pods()
        if self.cluster.has_lan:
            await self._run("podyard.cli.lan.links", "remove", self.cluster.data_dir)
        namespace.release_all(self.cluster.path)

    async def _stop_pods(self) -> None:
        """End every pod process of every node that this data directory ever had."""
        if self.namespace is None:
            # Late: the kubelet's modules are of no use to a supervisor that only waits.
            from podyard.kubelet.command import stop_all_pods

            await stop_all_pods(self.cluster.path)
        else:
            await self._run("podyard.cli.cluster.pods", self.cluster.data_dir)

    def _wrap(self, command: list[str]) -> list[str]:
        """The command line that runs `command` where the cluster is."""
        return self.namespace.wrap(command) if self.namespace else command

    async def _run(self, module: str, *arguments: str) -> None:
        command = self._wrap([sys.executable, "-m", module, *arguments])
        child = await asyncio.create_subprocess_exec(*command)
        try:
            await child.wait()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise


def check_ports(cluster: ClusterConfig) -> None:
    """Raise UserError when a port of the host that the cluster needs cannot be had."""
    apart = cluster.has_lan or _needs_namespace(cluster)
    ports.check(host_ports(cluster) if apart else required_ports(cluster))


def prepare(cluster: ClusterConfig) -> Place:
    """Where this cluster is to run, made if need be. Raises UserError when that cannot be.

    What a failure leaves is what was there before: of an `up` that was killed, with pods that still run.
    """
    there = Place(cluster, None)
    is_new = not namespace.any_held(cluster.path)
    try:
        if _needs_namespace(cluster):
            there = Place(cluster, namespace.find(cluster.path) or namespace.make(cluster.path))
        if not cluster.has_lan:
            return there
        names = (LAN, *cluster.node_names())
        nodes = namespace.networks(cluster.path, names, there.namespace)
        return replace(there, nodes=nodes).with_lan()
    except BaseException:
        if is_new:
            there.give_up()
        raise


def _needs_namespace(cluster: ClusterConfig) -> bool:
    return not cluster.advertise and namespace.needed(lan=cluster.has_lan)


def find(cluster: ClusterConfig) -> Place:
    """Where it runs, or last ran."""
    return Place(cluster, namespace.find(cluster.path))
