"""Runs the kubelet, the proxy and the DNS server of a node that has joined."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from podyard.cli.cluster import control, ports
from podyard.cli.cluster.config import NODE_DNS_PORT
from podyard.cli.cluster.orphans import wait_for_orphans
from podyard.cli.cluster.processes import NodeSite, Port, ProcessSpec, kubelet_port, node_processes
from podyard.cli.cluster.run import Report, stop_by_signal, supervise
from podyard.cli.cluster.steps import Step
from podyard.cli.joining.node_config import NodeConfig


@dataclass(frozen=True, slots=True)
class JoinedNode:
    """What `podyard join` keeps running. `reached`: the server has answered before the start."""

    config: NodeConfig
    reached: bool = True

    def command(self, spec: ProcessSpec) -> list[str]:
        """On the host itself."""
        return spec.command

    def processes(self) -> list[ProcessSpec]:
        """The kubelet, the proxy and the DNS server, which share the node's certificate."""
        config, settings = self.config, self.config.settings
        identity = (
            "--server", settings.component_api,
            "--ca-file", str(config.ca_file),
            "--cert-file", str(config.client_file),
            "--key-file", str(config.client_file),
        )  # fmt: skip
        rotation = ("--tls-cert-file", str(config.serving_file), "--rotate-certificates")
        site = NodeSite(
            name=config.node_name,
            address=config.node_ip,
            external=config.node_ip,
            data_dir=config.data_dir,
            cluster_dns=settings.cluster_dns,
            cluster_domain=settings.cluster_domain,
            network=settings.network,
            pod_cidr=settings.pod_cidr,
            service_cidrs=(settings.service_cidr, settings.load_balancer_cidr),
        )
        dns = (
            "dns", *identity,
            "--address", config.node_ip,
            "--port", str(NODE_DNS_PORT),
            "--cluster-domain", settings.cluster_domain,
        )  # fmt: skip
        where = f"{config.node_ip}:{NODE_DNS_PORT}"
        return [
            *node_processes(site, (*identity, *rotation), identity),
            ProcessSpec(f"dns-{config.node_name}", where, dns),
        ]

    async def until_it_serves(self, all_ready: asyncio.Event) -> None:
        """Wait for the server, if there is hope: its pods go on in any case."""
        if self.reached:
            await all_ready.wait()

    async def serving(self) -> dict[str, object]:
        """The cluster knows it already, or will when it can be reached."""
        return {"serving": self.config.node_name}

    async def leave(self) -> None:
        """End its pods."""
        # Late: the kubelet's modules are of no use to a supervisor that only waits.
        from podyard.kubelet.command import stop_all_pods

        await stop_all_pods(self.config.path)


def steps(config: NodeConfig) -> list[Step]:
    """What is shown while it starts."""
    name = config.node_name
    return [
        Step("kubelet", f"{config.node_ip}:10250", (f"kubelet-{name}",)),
        Step("proxy", config.node_ip, (f"proxy-{name}",)),
        Step("DNS", f"{config.node_ip}:{NODE_DNS_PORT}", (f"dns-{name}",)),
    ]


async def run(config: NodeConfig, report: Report, *, reached: bool) -> None:
    """Run the node until SIGINT or SIGTERM. Raises UserError when it cannot start."""
    stop = stop_by_signal()
    lock = control.Lock(config.path, f"node {config.node_name}")
    lock.acquire()
    try:
        await wait_for_orphans(config.path)
        (config.path / "images").mkdir(exist_ok=True)
        ports.check(
            [
                kubelet_port(config.node_name, config.node_ip),
                Port("DNS", "udp", config.node_ip, NODE_DNS_PORT),
                Port("DNS", "tcp", config.node_ip, NODE_DNS_PORT),
            ]
        )
        await supervise(JoinedNode(config, reached), config.path, report, stop)
    finally:
        lock.close()
