"""`podyard proxy`: the Service proxy of one node."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

from podyard.client.client import Client, add_server_argument
from podyard.client.events import EventRecorder
from podyard.process.clock import RealClock
from podyard.process.limits import raise_descriptor_limit
from podyard.process.main import UserError
from podyard.process.metrics import add_metrics_arguments, serve_metrics
from podyard.process.notify import notify
from podyard.process.tls import add_tls_arguments, tls_files
from podyard.proxy.counters import ProxyMetrics
from podyard.proxy.descriptors import Descriptors
from podyard.proxy.listeners import Runtime
from podyard.proxy.pipes import PipePool
from podyard.proxy.poller import Poller
from podyard.proxy.proxy import Proxy
from podyard.proxy.table import Node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the proxy's flags."""
    parser.add_argument("--node-name", required=True, metavar="NAME", help="the node that this proxy is of")
    parser.add_argument(
        "--node-ip",
        required=True,
        action="append",
        metavar="IP",
        help="the node's address, on which node ports listen; once for each IP family",
    )
    parser.add_argument(
        "--service-cidr",
        type=IPv4Network,
        action="append",
        default=[],
        metavar="CIDR",
        help="make these addresses of Services answer on this node (takes root); may be repeated",
    )
    add_server_argument(parser)
    add_tls_arguments(parser)
    add_metrics_arguments(parser)


async def main(args: argparse.Namespace) -> None:
    """Run the proxy until cancelled."""
    node = Node(args.node_name, tuple(_address(text) for text in args.node_ip))
    clock = RealClock()
    descriptors = Descriptors(raise_descriptor_limit(), clock)
    metrics = ProxyMetrics()
    metrics.publish()
    server = await serve_metrics(args.metrics_address)
    sockets = await asyncio.to_thread(_service_sockets, args.service_cidr, node.addresses[0])
    runtime = Runtime(Poller(), PipePool(descriptors), descriptors, metrics, clock, **sockets)
    client = Client(args.server, tls_files(args))
    recorder = EventRecorder(client, "kube-proxy", node.name)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            group.create_task(client.follow_certificate())
            group.create_task(Proxy(client, node, runtime, recorder).run(_ready))
    finally:
        runtime.poller.shut()
        runtime.pipes.close()
        metrics.withdraw()
        if server is not None:
            server.close()
        await client.close()


def _service_sockets(ranges: list[IPv4Network], node_ip: str) -> dict[str, Callable[..., Any]]:
    """How listeners come to sockets, when that is not the usual way."""
    if not ranges:
        return {}
    # Late: who has no use for netlink does without the library's memory.
    from podyard.proxy.service_network import ServiceNetwork

    try:
        return {"new_socket": ServiceNetwork(ranges, node_ip).socket}
    except OSError as error:
        listed = ", ".join(map(str, ranges))
        raise UserError(f"--service-cidr {listed}: cannot make a network for it: {error.strerror}") from None


def _ready() -> None:
    notify(READY=1, STATUS="forwarding")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise UserError(f"--node-ip {text} is not an IP address") from None
