"""`podyard proxy`: the Service proxy of one node."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from ipaddress import IPv4Network

from podyard.client.client import Client, add_server_argument
from podyard.client.events import EventRecorder
from podyard.process.clock import RealClock
from podyard.process.limits import raise_descriptor_limit
from podyard.process.main import UserError
from podyard.process.metrics import add_metrics_arguments, serve_metrics
from podyard.process.notify import notify
from podyard.process.tls import add_tls_arguments, tls_files
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.proxy import Proxy
from podyard.proxy.sockets import NewSocket, socket_here
from podyard.proxy.table import Node
from podyard.proxy.workers import Workers


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
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that forward, on as many processor cores (default: %(default)s)",
    )
    add_server_argument(parser)
    add_tls_arguments(parser)
    add_metrics_arguments(parser)


async def main(args: argparse.Namespace) -> None:
    """Run the proxy until cancelled."""
    if args.workers < 1:
        raise UserError(f"--workers {args.workers} is not a positive number")
    node = Node(args.node_name, tuple(_address(text) for text in args.node_ip))
    clock = RealClock()
    raise_descriptor_limit()
    metrics = ProxyMetrics()
    metrics.publish()
    server = await serve_metrics(args.metrics_address)
    new_socket = await asyncio.to_thread(_service_sockets, args.service_cidr, node.addresses[0])
    workers = Workers(args.workers, metrics)
    workers.start()
    client = Client(args.server, tls_files(args))
    recorder = EventRecorder(client, "kube-proxy", node.name)
    proxy = Proxy(client, node, workers, recorder, clock, new_socket)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            group.create_task(client.follow_certificate())
            group.create_task(proxy.run(_ready))
    finally:
        await workers.stop()
        metrics.withdraw()
        if server is not None:
            server.close()
        await client.close()


def _service_sockets(ranges: list[IPv4Network], node_ip: str) -> NewSocket:
    """How listeners come to sockets."""
    if not ranges:
        return socket_here
    # Late: who has no use for netlink does without the library's memory.
    from podyard.proxy.service_network import ServiceNetwork

    try:
        return ServiceNetwork(ranges, node_ip).socket
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
