"""`podyard controller-manager`: all controllers, and what the caller adds, in one process."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence

from podyard.client.client import Client, add_server_argument
from podyard.client.factory import InformerFactory
from podyard.controllers.certificates.signing import add_signing_arguments, signing
from podyard.controllers.manager import Settings, run_controllers
from podyard.process.clock import RealClock
from podyard.process.main import UserError
from podyard.process.metrics import add_metrics_arguments, serve_metrics
from podyard.process.notify import notify
from podyard.process.tls import add_tls_arguments, tls_files

Runnable = Callable[[Client, InformerFactory], Awaitable[None]]
"""Something else that runs in this process until cancelled, such as the scheduler."""

logger = logging.getLogger("controller-manager")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `podyard controller-manager`."""
    add_server_argument(parser)
    add_tls_arguments(parser)
    add_metrics_arguments(parser)
    parser.add_argument(
        "--cluster-cidr", default="127.244.0.0/16", metavar="CIDR", help="addresses of pods (%(default)s)"
    )
    parser.add_argument(
        "--node-cidr-mask-size",
        type=int,
        default=24,
        metavar="BITS",
        help="size of each node's part of it (%(default)s)",
    )
    parser.add_argument(
        "--load-balancer-cidr",
        default="127.99.0.0/16",
        metavar="CIDR",
        help="addresses of Services of type LoadBalancer (%(default)s)",
    )
    parser.add_argument(
        "--node-monitor-grace-period",
        type=float,
        default=50.0,
        metavar="SECONDS",
        help="how long a node may be silent before it counts as unreachable (%(default)s)",
    )
    parser.add_argument(
        "--node-dns-port",
        type=int,
        default=0,
        metavar="PORT",
        help="every node has a DNS server of its own at this port (default: none has)",
    )
    add_signing_arguments(parser)


async def main(args: argparse.Namespace, extra: Sequence[Runnable] = ()) -> None:
    """Run until cancelled. `extra` share the connection and the informers."""
    settings = _settings(args)
    metrics = await serve_metrics(args.metrics_address)
    client = Client(args.server, tls_files(args))
    informers = InformerFactory(client)
    try:
        async with asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            group.create_task(run_controllers(client, informers, RealClock(), settings, ready.wait()))
            for runnable in extra:
                group.create_task(_run(runnable, client, informers))
            await asyncio.sleep(0)  # everybody asks for informers first
            group.create_task(informers.run())
            notify(STATUS=f"waiting for the apiserver at {args.server}")
            await informers.synced()
            ready.set()
            notify(READY=1, STATUS="informers are synced, controllers are working")
            logger.info("controllers are working")
    finally:
        if metrics is not None:
            metrics.close()
        await client.close()


async def _run(runnable: Runnable, client: Client, informers: InformerFactory) -> None:
    await runnable(client, informers)


def _settings(args: argparse.Namespace) -> Settings:
    try:
        network = ipaddress.ip_network(args.cluster_cidr)
    except ValueError as error:
        raise UserError(f"--cluster-cidr: {error}") from None
    if not network.prefixlen < args.node_cidr_mask_size < network.max_prefixlen:
        raise UserError(
            f"--node-cidr-mask-size {args.node_cidr_mask_size}: must lie between "
            f"{network.prefixlen + 1} and {network.max_prefixlen - 1} to divide {network}"
        )
    try:
        load_balancers = ipaddress.IPv4Network(args.load_balancer_cidr)
    except ValueError as error:
        raise UserError(f"--load-balancer-cidr: {error}") from None
    if args.node_monitor_grace_period <= 0:
        raise UserError("--node-monitor-grace-period: must be more than 0 seconds")
    return Settings(
        cluster_cidr=network,
        node_mask_size=args.node_cidr_mask_size,
        node_grace_seconds=args.node_monitor_grace_period,
        ca_certificate=_read(args.ca_file),
        load_balancers=load_balancers,
        signing=signing(args),
        node_dns_port=args.node_dns_port,
    )


def _read(path: object) -> str:
    try:
        with open(str(path)) as file:
            return file.read()
    except OSError as error:
        raise UserError(f"--ca-file {path}: {error.strerror}") from None
