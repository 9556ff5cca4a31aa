"""The apiserver: storage, watch cache, registry, and the two listeners before them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import grpc.aio
from aiohttp import web

from podyard.apiserver.app import make_app
from podyard.apiserver.authn import BearerToken, BootstrapToken, ClientCertificate, server_tls
from podyard.apiserver.authorization.cluster import ClusterAuthorizer
from podyard.apiserver.bootstrap import Advertised, bootstrap, keep_kubernetes_service
from podyard.apiserver.cacher.cacher import Cacher
from podyard.apiserver.component_api import ObjectsService
from podyard.apiserver.context import RestConfig
from podyard.apiserver.event_ttl import expire_events
from podyard.apiserver.registry.generic import GenericRegistry
from podyard.apiserver.registry.store import Store
from podyard.apiserver.registry.strategies import Ranges
from podyard.apiserver.serving import serve
from podyard.apiserver.storage.sqlite import SqliteStorage
from podyard.apiserver.tokens.authority import Keys, TokenAuthority
from podyard.process.clock import Clock, RealClock
from podyard.process.main import UserError
from podyard.process.tls import TlsFiles
from podyard.proto.objects_pb2_grpc import add_ObjectsServicer_to_server

GRPC_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a second server
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Clients send a keepalive every 10 s while they have no call, too.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
]


@dataclass(frozen=True, slots=True)
class TokenConfig:
    """How service account tokens are signed and recognised. `audiences` are this apiserver's names."""

    keys: Keys
    issuer: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """What the flags say. A port 0 takes any free one."""

    data_dir: Path
    address: str
    port: int
    grpc_address: str
    service_cidr: IPv4Network
    node_ports: range
    tls: TlsFiles
    kubelet_tls: TlsFiles | None
    cluster_dns: str
    advertise_address: str
    tokens: TokenConfig


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers. `target` is the component API's HOST:PORT, `url` the REST API's."""

    target: str
    url: str
    registry: GenericRegistry
    background: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running(config: Config, clock: Clock | None = None) -> AsyncIterator[Serving]:
    """Serve inside the `async with`. Raises UserError when a port or the data cannot be had.

    The `background` task never ends, unless with the error that makes going on impossible.
    """
    clock = clock or RealClock()
    async with contextlib.AsyncExitStack() as stack:
        storage = await SqliteStorage.open(config.data_dir / "apiserver" / "state.db")
        stack.push_async_callback(storage.close)
        cacher = Cacher(storage)
        await cacher.start()
        following = asyncio.create_task(cacher.run())
        stack.push_async_callback(_cancel, following)
        await cacher.reached((await storage.revision())[1])
        reserved = frozenset({config.cluster_dns} if config.cluster_dns else ())
        ranges = Ranges(config.service_cidr, config.node_ports, reserved)
        store = Store(storage, cacher)
        ours = config.tokens
        tokens = TokenAuthority(ours.keys, ours.issuer, ours.audiences, store, clock)
        registry = GenericRegistry(store, ranges, clock, tokens)

        ready = False
        authorizer = ClusterAuthorizer(cacher.resource("pods").entries_with)
        target = await _serve_grpc(stack, ObjectsService(registry, authorizer), config)
        rest = RestConfig(
            server_address=f"{config.advertise_address}:{config.port}",
            kubelet_tls=config.kubelet_tls,
            ready=lambda: "" if ready else "starting",
            authenticators=(ClientCertificate(), BootstrapToken(store, clock), BearerToken(tokens)),
            authorizer=authorizer,
            tokens=tokens,
        )
        runner = await _serve_rest(stack, registry, config, rest)
        stack.callback(cacher.end_watches)
        port = runner.addresses[0][1]
        advertised = Advertised(str(config.service_cidr[1]), config.advertise_address, port)
        await bootstrap(registry, advertised)
        ready = True

        background = asyncio.create_task(_background(following, registry, advertised, clock))
        stack.push_async_callback(_cancel, background)
        yield Serving(target, f"https://{config.address}:{port}", registry, background)


async def _background(
    following: asyncio.Task[None], registry: GenericRegistry, advertised: Advertised, clock: Clock
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_wait(following))
        group.create_task(keep_kubernetes_service(registry, advertised, clock))
        group.create_task(expire_events(registry, clock))


async def _wait(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _serve_grpc(stack: contextlib.AsyncExitStack, service: ObjectsService, config: Config) -> str:
    server = grpc.aio.server(options=GRPC_OPTIONS)
    add_ObjectsServicer_to_server(service, server)
    host = _check_address(config.grpc_address)
    try:
        credentials = config.tls.server_credentials()
    except OSError as error:
        raise UserError(f"cannot read the certificates: {error}") from None
    try:
        port = server.add_secure_port(config.grpc_address, credentials)
    except RuntimeError as error:
        raise UserError(f"cannot listen on --grpc-address {config.grpc_address}: {error}") from None
    await server.start()
    stack.push_async_callback(server.stop, 0.5)
    return f"{host}:{port}"


def _check_address(address: str) -> str:
    """Give the host of HOST:PORT; UserError when it cannot be bound (gRPC itself would not say why)."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, int(port)))
        except ValueError:
            raise UserError(f"--grpc-address {address}: must be HOST:PORT") from None
        except OSError as error:
            raise UserError(f"cannot listen on --grpc-address {address}: {error.strerror}") from None
    return host


async def _serve_rest(
    stack: contextlib.AsyncExitStack, registry: GenericRegistry, config: Config, rest: RestConfig
) -> web.AppRunner:
    try:
        tls = server_tls(config.tls.cert, config.tls.key, config.tls.ca)
    except OSError as error:  # ssl.SSLError is one
        raise UserError(f"cannot use the certificates: {error}") from None
    try:
        runner = await serve(make_app(registry, rest), config.address, config.port, tls)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"cannot listen on {config.address}:{config.port}: {why}") from None
    stack.push_async_callback(runner.cleanup)
    return runner
