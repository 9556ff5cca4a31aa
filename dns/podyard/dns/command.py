"""`podyard dns`: the cluster's DNS server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
from collections.abc import Callable

from podyard.client.client import Client, add_server_argument
from podyard.dns.answers import Answers
from podyard.dns.cluster import Cluster
from podyard.dns.counters import DnsMetrics
from podyard.dns.exchange import Upstream
from podyard.dns.forwarding import CONCURRENT, Forwarder
from podyard.dns.registration import Registration
from podyard.dns.resolvconf import ResolvConf
from podyard.dns.responder import Responder
from podyard.dns.server import Server
from podyard.dns.tcp import CONNECTIONS
from podyard.dns.workers import REPLACES_FLAG, WORKER_FLAG, Workers, check_address
from podyard.dns.zone import Zone
from podyard.process.limits import raise_descriptor_limit
from podyard.process.main import UserError
from podyard.process.metrics import add_metrics_arguments, serve_metrics
from podyard.process.notify import notify
from podyard.process.tls import add_tls_arguments, tls_files

RESOLV_CONF = "/etc/resolv.conf"
JOIN_SECONDS = 5.0
"""How long a worker that replaces another waits for its zone before it serves what it knows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the DNS server's flags."""
    parser.add_argument("--address", required=True, metavar="IP", help="listen here, UDP and TCP")
    parser.add_argument("--port", type=int, default=53, help="(default: %(default)s)")
    parser.add_argument(
        "--cluster-domain", default="cluster.local", metavar="NAME", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="IP[:PORT]",
        help=f"ask here for other names; may be repeated (default: the nameservers of {RESOLV_CONF})",
    )
    parser.add_argument(
        "--service-ip",
        default="",
        metavar="IP",
        help="keep a Service kube-system/kube-dns with this clusterIP",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the address; clients are spread over them (default: %(default)s)",
    )
    parser.add_argument(WORKER_FLAG, type=int, help=argparse.SUPPRESS)
    parser.add_argument(REPLACES_FLAG, action="store_true", help=argparse.SUPPRESS)
    add_server_argument(parser)
    add_tls_arguments(parser)
    add_metrics_arguments(parser)


async def main(args: argparse.Namespace) -> None:
    """Run the DNS server until cancelled."""
    upstreams = [upstream_of(text) for text in args.upstream]
    if args.workers < 1:
        raise UserError(f"--workers {args.workers} is less than 1")
    if args.workers > 1 and args.worker is None:
        check_address(args.address, args.port)
        await Workers(args.workers, lambda: _ready(args, args.port)).run()
    else:
        await _serve(args, upstreams)


async def _serve(args: argparse.Namespace, upstreams: list[Upstream]) -> None:
    own = {args.address, args.service_ip}
    source: Callable[[], list[Upstream]] = upstreams.copy if upstreams else ResolvConf(RESOLV_CONF, own)
    zone = Zone(_domain(args), args.service_ip or args.address)
    descriptors = raise_descriptor_limit()
    forwarder = Forwarder(source, concurrent=min(CONCURRENT, descriptors // 2))
    answers, metrics = Answers(), DnsMetrics(zone)
    responder = Responder(zone, forwarder.available)
    server = Server(responder, answers, forwarder, metrics, min(CONNECTIONS, descriptors // 4))
    port = 0 if args.replaces else await _listen(server, args)
    scrapes = await serve_metrics(metrics_address(args.metrics_address, args.worker or 0))
    metrics.publish()
    client = Client(args.server, tls_files(args))
    cluster = Cluster(client, zone, answers)
    registration = None
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cluster.run())
            group.create_task(client.follow_certificate())
            if args.replaces:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(cluster.synced(), JOIN_SECONDS)
                port = await _listen(server, args)
            await cluster.synced()
            responder.ready = True
            if args.service_ip and not args.worker:  # one of the workers does it for all
                registration = Registration(client, cluster, args.service_ip, args.address, port)
                group.create_task(registration.run())
                await registration.registered.wait()
            _ready(args, port)
    finally:
        if registration is not None and registration.registered.is_set():
            await registration.withdraw()
        await server.stop()
        metrics.withdraw()
        if scrapes is not None:
            scrapes.close()
        await client.close()


async def _listen(server: Server, args: argparse.Namespace) -> int:
    try:
        return await server.start(args.address, args.port, shared=args.worker is not None)
    except OSError as error:
        where = f"{args.address}:{args.port}"
        raise UserError(f"cannot listen on {where}: {error.strerror or error}") from None


def _ready(args: argparse.Namespace, port: int) -> None:
    notify(READY=1, STATUS=f"serving {_domain(args)} on {args.address}:{port}")


def _domain(args: argparse.Namespace) -> str:
    return str(args.cluster_domain).strip(".").lower()


def metrics_address(address: str, worker: int) -> str:
    """Where a worker serves its metrics: the first on the port itself, each other on the next one."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + worker}" if port.isdigit() else address


def upstream_of(text: str) -> Upstream:
    """IP, IP:PORT or [IPv6]:PORT as an upstream. Raises UserError."""
    host, port = text, "53"
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":")
        host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        raise UserError(f"--upstream {text} is not IP[:PORT]") from None
    if not 0 < number < 65536:
        raise UserError(f"--upstream {text}: no such port")
    return host, number
