"""`podyard dns`: the cluster's DNS server."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from collections.abc import Callable

from podyard.client.client import Client, add_server_argument
from podyard.dns.answers import Answers
from podyard.dns.cluster import Cluster
from podyard.dns.counters import DnsMetrics
from podyard.dns.exchange import Upstream
from podyard.dns.forwarding import Forwarder
from podyard.dns.registration import Registration
from podyard.dns.resolvconf import ResolvConf
from podyard.dns.responder import Responder
from podyard.dns.server import Server
from podyard.dns.zone import Zone
from podyard.process.main import UserError
from podyard.process.metrics import add_metrics_arguments, serve_metrics
from podyard.process.notify import notify
from podyard.process.tls import add_tls_arguments, tls_files

RESOLV_CONF = "/etc/resolv.conf"


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
    add_server_argument(parser)
    add_tls_arguments(parser)
    add_metrics_arguments(parser)


async def main(args: argparse.Namespace) -> None:
    """Run the DNS server until cancelled."""
    domain = args.cluster_domain.strip(".").lower()
    upstreams = [upstream_of(text) for text in args.upstream]
    own = {args.address, args.service_ip}
    source: Callable[[], list[Upstream]] = ResolvConf(RESOLV_CONF, own)
    if upstreams:
        source = upstreams.copy
    zone = Zone(domain, args.service_ip or args.address)
    forwarder = Forwarder(source)
    responder = Responder(zone, forwarder.available)
    metrics = DnsMetrics(zone)
    answers = Answers()
    server = Server(responder, answers, forwarder, metrics)
    try:
        port = await server.start(args.address, args.port)
    except OSError as error:
        where = f"{args.address}:{args.port}"
        raise UserError(f"cannot listen on {where}: {error.strerror or error}") from None
    scrapes = await serve_metrics(args.metrics_address)
    metrics.publish()
    client = Client(args.server, tls_files(args))
    try:
        await _serve(client, zone, answers, responder, args, port)
    finally:
        await server.stop()
        metrics.withdraw()
        if scrapes is not None:
            scrapes.close()
        await client.close()


async def _serve(
    client: Client,
    zone: Zone,
    answers: Answers,
    responder: Responder,
    args: argparse.Namespace,
    port: int,
) -> None:
    cluster = Cluster(client, zone, answers)
    registration = (
        Registration(client, cluster, args.service_ip, args.address, port) if args.service_ip else None
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cluster.run())
            await cluster.synced()
            responder.ready = True
            if registration is not None:
                group.create_task(registration.run())
                await registration.registered.wait()
            notify(READY=1, STATUS=f"serving {zone.domain} on {args.address}:{port}")
    finally:
        if registration is not None and registration.registered.is_set():
            await registration.withdraw()


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
