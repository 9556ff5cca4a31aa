"""`podyard kubelet`: runs the pods of one node."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import random
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import grpc.aio

from podyard.api.resources import PODS, SERVICES
from podyard.client.client import Client, add_server_argument
from podyard.client.events import EventRecorder
from podyard.client.informer import Informer
from podyard.client.signing import KUBELET_CLIENT, KUBELET_SERVING, Wanted
from podyard.kubelet.certificates import Certificate
from podyard.kubelet.dns import parse_resolv_conf
from podyard.kubelet.images.catalog import ImageCatalog
from podyard.kubelet.kubelet import Kubelet
from podyard.kubelet.network import NetworkProvider
from podyard.kubelet.network.providers import NETWORKS, keep_routes, make_network
from podyard.kubelet.network.removal import remove as remove_network
from podyard.kubelet.node import Addresses, make_node, make_status, node_images, read_machine
from podyard.kubelet.node_agent import NodeAgent
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pulling import ImagePuller
from podyard.kubelet.runtime import ContainerRuntime, Features, subprocess
from podyard.kubelet.starter import ContainerStarter
from podyard.kubelet.status_manager import StatusManager
from podyard.kubelet.streaming import StreamingService
from podyard.kubelet.volumes.node_volumes import NodeVolumes, unmount_all
from podyard.kubelet.volumes.object_cache import ObjectCache
from podyard.kubelet.volumes.pod_volumes import VolumeSources
from podyard.kubelet.volumes.tokens import Tokens
from podyard.process.clock import Clock, RealClock
from podyard.process.main import UserError
from podyard.process.metrics import add_metrics_arguments, serve_metrics
from podyard.process.notify import notify
from podyard.process.tls import TlsFiles, add_tls_arguments, tls_files
from podyard.proto.streaming_pb2_grpc import add_StreamingServicer_to_server

DEFAULT_PORT = 10250

logger = logging.getLogger("kubelet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kubelet's flags."""
    add_server_argument(parser)
    add_tls_arguments(parser)
    add_metrics_arguments(parser)
    parser.add_argument(
        "--tls-cert-file",
        type=Path,
        metavar="FILE",
        help="certificate to serve streams with, and its key (default: those of --cert-file)",
    )
    parser.add_argument(
        "--rotate-certificates",
        action="store_true",
        help="have the cluster sign new certificates before those in --cert-file and --tls-cert-file, each "
        "together with its key, end; the latter is made when there is none",
    )
    parser.add_argument("--node-name", required=True, metavar="NAME", help="the name to register")
    parser.add_argument("--node-ip", required=True, metavar="IP", help="the node's address")
    parser.add_argument(
        "--node-external-ip",
        default="",
        metavar="IP",
        help="the node's address for those outside of the cluster (default: that of --node-ip)",
    )
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="state is kept in DIR/kubelet/NAME"
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="serves streams to the apiserver here")
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        default=NETWORKS[0],
        help="whose network pods are in: the node's, on addresses of 127.0.0.0/8 (%(default)s, the default), "
        "or each in a namespace of its own (netns, which takes root)",
    )
    parser.add_argument(
        "--cluster-cidr",
        type=IPv4Network,
        default="10.244.0.0/16",
        metavar="CIDR",
        help="with --network netns, the addresses of all pods of the cluster (default: %(default)s)",
    )
    parser.add_argument("--cluster-dns", default="", metavar="IP", help="DNS server of pods")
    parser.add_argument("--cluster-domain", default="cluster.local", metavar="DOMAIN")
    parser.add_argument("--images-dir", type=Path, metavar="DIR", help="images beside the built-in ones")


async def main(args: argparse.Namespace) -> None:
    """Run until cancelled. Pods go on running then; the next kubelet of this node takes them over."""
    root = (args.data_dir / "kubelet" / args.node_name).absolute()
    root.mkdir(parents=True, exist_ok=True)
    with locked(root):
        network = make_network(args.network, root, args.node_name, args.node_ip, args.cluster_cidr)
        runtime = subprocess.SubprocessRuntime(root, connect=network.connect)
        probing = asyncio.create_task(runtime.features())
        await runtime.start()
        try:
            await _serve(args, root, runtime, network, probing)
        finally:
            await runtime.close()


async def stop_all_pods(data_dir: Path) -> None:
    """End every pod of every node whose state is in `data_dir`, without an apiserver or a kubelet.

    Does nothing where nothing is left; works as well after everything was killed. What the pods'
    emptyDirs hold on disk stays for their next start, as when a machine boots anew.
    """
    for root in sorted((data_dir.absolute() / "kubelet").glob("*/")):
        await subprocess.remove_everything(root)
        unmount_all(root)
        await asyncio.to_thread(remove_network, root)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a node's state for this process alone. Raises UserError when another has it."""
    with (root / "kubelet.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise UserError(f"{root} is in use by another kubelet (pid {owner})") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


async def _serve(
    args: argparse.Namespace,
    root: Path,
    runtime: ContainerRuntime,
    network: NetworkProvider,
    features: Awaitable[Features],
) -> None:
    clock = RealClock()
    tls = tls_files(args)
    client = Client(args.server, tls)
    machine = read_machine(root)
    recorder = EventRecorder(client, "kubelet", args.node_name)
    images = ImageCatalog(root / "images", args.images_dir)
    services = Informer(client, SERVICES)
    pods = Informer(client, PODS, field_selector=f"spec.nodeName={args.node_name}")
    addresses = Addresses(args.node_ip, args.node_external_ip or args.node_ip)
    status = make_status(args.node_name, addresses, args.port, machine, node_images(images.list_images()))
    agent = NodeAgent(
        client,
        make_node(args.node_name, machine),
        status,
        await features,
        network,
        recorder,
        clock,
        lambda: network_configured(),
    )
    puller = ImagePuller(images, clock)
    volumes = NodeVolumes(
        root,
        VolumeSources(
            objects=ObjectCache(client),
            tokens=Tokens(client, clock),
            allocatable=status["allocatable"],
            clock=clock,
        ),
    )
    starter = ContainerStarter(client, runtime, puller, services.list, volumes, status["allocatable"], clock)
    context = PodContext(
        client=client,
        runtime=runtime,
        network=network,
        puller=puller,
        starter=starter,
        volumes=volumes,
        statuses=StatusManager(client, clock),
        recorder=recorder,
        clock=clock,
        node_name=args.node_name,
        node_ip=args.node_ip,
        log_root=root / "logs",
        network_problem=lambda: agent.network_problem,
        cluster_dns=args.cluster_dns,
        cluster_domain=args.cluster_domain,
        host_dns=parse_resolv_conf(_text("/etc/resolv.conf")),
        host_hosts=_text("/etc/hosts"),
    )
    kubelet = Kubelet(context, pods, services)
    routes = keep_routes(client, network, agent.report)

    async def network_configured() -> None:
        await kubelet.network_configured()
        if routes is not None:
            routes.wake()

    if args.metrics_address:
        # Late: who is not asked for metrics does without the library's memory.
        from podyard.kubelet.metrics import export_metrics

        export_metrics(kubelet)
    certificates = _certificates(args, client, clock, addresses)
    for certificate in certificates[1:]:
        if not certificate.is_good():
            await agent.register()  # it is signed for the addresses that the Node has
            await certificate.get()
    served = replace(tls, cert=args.tls_cert_file, key=args.tls_cert_file) if args.tls_cert_file else tls
    server = await serve_streams(StreamingService(runtime, kubelet.find), args.node_ip, args.port, served)
    metrics = await serve_metrics(args.metrics_address)
    try:
        async with asyncio.TaskGroup() as group:
            for work in (recorder.run, context.statuses.run, agent.run, kubelet.run):
                group.create_task(work())
            if routes is not None:
                group.create_task(routes.run())
            group.create_task(client.follow_certificate())
            for certificate in certificates:
                group.create_task(certificate.keep())
            group.create_task(_announce(args.node_name, agent, pods, services))
    finally:
        if metrics is not None:
            metrics.close()
        await server.stop(grace=None)
        await client.close()


def _certificates(
    args: argparse.Namespace, client: Client, clock: Clock, addresses: Addresses
) -> list[Certificate]:
    """Those that this kubelet renews: the client's, then the server's."""
    if not args.rotate_certificates:
        return []
    names = dict.fromkeys((args.node_name, addresses.internal, addresses.external))
    wanted = [(Wanted(args.node_name, KUBELET_CLIENT), args.cert_file)]
    if args.tls_cert_file:
        wanted.append((Wanted(args.node_name, KUBELET_SERVING, tuple(names)), args.tls_cert_file))
    return [Certificate(client, clock, what, file, random.Random()) for what, file in wanted]


async def _announce(node: str, agent: NodeAgent, pods: Informer, services: Informer) -> None:
    notify(STATUS="registering the node")
    await agent.ready()
    await pods.synced()
    await services.synced()
    logger.info("node %s is ready", node)
    notify(READY=1, STATUS=f"node {node} is ready")


SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else two kubelets would share the port, and streams, without noticing
    ("grpc.max_receive_message_length", -1),
    ("grpc.http2.max_ping_strikes", 0),  # the apiserver's keepalives are welcome while a stream is silent
]


async def serve_streams(service: StreamingService, host: str, port: int, tls: TlsFiles) -> grpc.aio.Server:
    """Serve streams on host:port. Raises UserError when that cannot be had."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_StreamingServicer_to_server(service, server)
    try:
        server.add_secure_port(f"{host}:{port}", tls.server_credentials())
    except (RuntimeError, OSError) as error:
        raise UserError(f"cannot serve streams on port {port} of {host}: {error}") from None
    await server.start()
    return server


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
