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
from ipaddress import IPv4Network
from pathlib import Path

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
from podyard.kubelet.stream_server import StreamServer
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

DEFAULT_PORT = 10250

STREAMS_SECONDS = 5.0
"""A new node says that it is ready when it serves streams, too, or else after this time."""

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
        help="certificate to serve streams with (default: that of --cert-file)",
    )
    parser.add_argument(
        "--tls-private-key-file",
        type=Path,
        metavar="FILE",
        help="its private key (default: the one that is in the same file)",
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
    if args.rotate_certificates and args.tls_private_key_file:
        raise UserError("--tls-private-key-file: with --rotate-certificates the key is in --tls-cert-file")
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
    own, serving = _certificates(args, client, clock, addresses)
    service = StreamingService(runtime, kubelet.find)
    streams = StreamServer(service, (args.node_ip, args.port), _served(args), serving, clock)
    await streams.start()
    metrics = await serve_metrics(args.metrics_address)
    try:
        async with asyncio.TaskGroup() as group:
            for work in (recorder.run, context.statuses.run, agent.run, kubelet.run, streams.run):
                group.create_task(work())
            if routes is not None:
                group.create_task(routes.run())
            group.create_task(client.follow_certificate())
            if own is not None:
                group.create_task(own.keep())
            if serving is not None:
                group.create_task(_keep_serving(serving, agent))
            group.create_task(_announce(args.node_name, agent, streams, pods, services))
    finally:
        if metrics is not None:
            metrics.close()
        await streams.stop()
        await client.close()


def _served(args: argparse.Namespace) -> TlsFiles:
    """What it serves with."""
    if not args.tls_cert_file:
        return tls_files(args)
    return TlsFiles(args.ca_file, args.tls_cert_file, args.tls_private_key_file or args.tls_cert_file)


def _certificates(
    args: argparse.Namespace, client: Client, clock: Clock, addresses: Addresses
) -> tuple[Certificate | None, Certificate | None]:
    """Those that this kubelet renews: the client's, and the one to serve with."""
    if not args.rotate_certificates:
        return None, None
    own = Certificate(client, clock, Wanted(args.node_name, KUBELET_CLIENT), args.cert_file, random.Random())
    if not args.tls_cert_file:
        return own, None
    names = dict.fromkeys((args.node_name, addresses.internal, addresses.external))
    wanted = Wanted(args.node_name, KUBELET_SERVING, tuple(names))
    return own, Certificate(client, clock, wanted, args.tls_cert_file, random.Random())


async def _keep_serving(certificate: Certificate, agent: NodeAgent) -> None:
    await agent.registered()  # it is signed for the addresses that the Node has
    await certificate.keep()


async def _announce(
    node: str, agent: NodeAgent, streams: StreamServer, pods: Informer, services: Informer
) -> None:
    notify(STATUS="registering the node")
    await agent.ready()
    await pods.synced()
    await services.synced()
    try:
        async with asyncio.timeout(STREAMS_SECONDS):
            await streams.serving()
    except TimeoutError:
        why = "exec and logs wait for a certificate, which nobody has approved (kubectl get csr)"
        logger.warning("node %s is ready, but %s", node, why)
        notify(READY=1, STATUS=f"node {node} is ready, but {why}")
        await streams.serving()
    logger.info("node %s is ready", node)
    notify(READY=1, STATUS=f"node {node} is ready")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
