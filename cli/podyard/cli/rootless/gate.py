"""The gate: passes connections of the host into a rootless cluster.

What it listens on follows the Services: `wanted` decides, `Gate` does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from podyard.api.resources import NODES, SERVICES
from podyard.cli.rootless import listeners
from podyard.client.client import Client, add_server_argument
from podyard.client.informer import Informer, all_synced, run_informers
from podyard.process.limits import raise_descriptor_limit
from podyard.process.main import UserError
from podyard.process.notify import notify
from podyard.process.tls import add_tls_arguments, tls_files

Address = tuple[str, int]

HOST = "127.0.0.1"
CHUNK_BYTES = 128 * 1024
RETRY_SECONDS = 0.1

logger = logging.getLogger("gate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard gate`."""
    add_server_argument(parser)
    add_tls_arguments(parser)
    parser.add_argument(
        "--api-address", default=HOST, metavar="IP", help="where the Kubernetes API is, inside"
    )
    parser.add_argument("--api-port", type=int, required=True, help="its port, there and on 127.0.0.1")
    parser.add_argument(
        "--listeners", required=True, metavar="SOCKET", help="where listening sockets are had"
    )


async def main(args: argparse.Namespace) -> None:
    """Run until cancelled."""
    raise_descriptor_limit()
    client = Client(args.server, tls_files(args))
    gate = Gate(args.listeners)
    services, nodes = Informer(client, SERVICES), Informer(client, NODES)
    changed = asyncio.Event()
    for informer in (services, nodes):
        informer.add_handler(lambda _old, _new: changed.set())
    api = {(HOST, args.api_port): (args.api_address, args.api_port)}
    try:
        gate.apply(api)  # kubectl must get in before there is any Service
        if not gate.listens((HOST, args.api_port)):
            raise UserError(f"port {args.api_port} of {HOST} (the Kubernetes API) is taken on the host")
        async with asyncio.TaskGroup() as group:
            group.create_task(run_informers(services, nodes))
            await all_synced(services, nodes)
            notify(READY=1, STATUS="passing connections in")
            while True:
                gate.apply({**api, **wanted(services.list(), nodes.list())})
                await changed.wait()
                changed.clear()
    finally:
        gate.close()
        await client.close()


def wanted(services: Iterable[dict[str, Any]], nodes: Iterable[dict[str, Any]]) -> dict[Address, Address]:
    """What to listen on outside, and where that leads inside. Pure.

    Outside all of 127.0.0.0/8 can be listened on, and nothing else.
    """
    addresses = sorted(_addresses(node) for node in nodes)
    found: dict[Address, Address] = {}
    for service in services:
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        for port in service["spec"].get("ports") or ():
            if port.get("protocol", "TCP") != "TCP":
                continue
            if number := port.get("nodePort"):
                for internal, external in addresses:
                    found |= {(ip, number): (internal, number) for ip in (internal, external)}
                    found.setdefault((HOST, number), (internal, number))
            for ip in (entry["ip"] for entry in ingress if entry.get("ip")):
                found[(ip, port["port"])] = (ip, port["port"])
    return {outside: inside for outside, inside in found.items() if _is_loopback(outside[0])}


def _is_loopback(address: str) -> bool:
    return bool(address) and ip_address(address).is_loopback


def _addresses(node: dict[str, Any]) -> tuple[str, str]:
    """Where a node is for the cluster, and for those outside."""
    given = {a["type"]: a["address"] for a in node.get("status", {}).get("addresses") or ()}
    internal = given.get("InternalIP", "")
    return internal, given.get("ExternalIP", internal)


class Gate:
    """Listening sockets of the host, each with a place inside where its connections go."""

    def __init__(self, listeners_socket: str) -> None:
        self._path = listeners_socket
        self._open: dict[Address, asyncio.Task[None]] = {}
        self._targets: dict[Address, Address] = {}
        self._refused: set[Address] = set()
        self._connections: set[asyncio.Task[None]] = set()

    def apply(self, targets: dict[Address, Address]) -> None:
        """Listen on just these from now on. Established connections live on."""
        for address in self._open.keys() - targets.keys():
            self._open.pop(address).cancel()
        self._refused &= targets.keys()
        self._targets = dict(targets)
        for address in targets.keys() - self._open.keys() - self._refused:
            try:
                listener = listeners.request(self._path, *address)
            except OSError as error:
                self._refused.add(address)
                logger.warning("the host's %s:%d cannot be had: %s", *address, error.strerror)
            else:
                self.adopt(address, targets[address], listener)

    def listens(self, address: Address) -> bool:
        """Whether it has got that address of the host."""
        return address in self._open

    def adopt(self, address: Address, target: Address, listener: socket.socket) -> None:
        """Pass what `listener`, on the host's `address`, accepts to `target`."""
        self._targets[address] = target
        self._open[address] = asyncio.create_task(self._accept(address, listener))

    def close(self) -> None:
        """Stop listening."""
        for task in (*self._open.values(), *self._connections):
            task.cancel()

    async def _accept(self, address: Address, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    client, _ = await loop.sock_accept(listener)
                except OSError as error:  # descriptors are used up: those who wait are let in later
                    logger.warning("%s:%d: accept: %s", *address, error.strerror)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                task = asyncio.create_task(_pass(client, self._targets[address]))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)


async def _pass(client: socket.socket, target: Address) -> None:
    """Join a client with its target until both directions have ended."""
    outside_reader, outside = await asyncio.open_connection(sock=client)
    inside: asyncio.StreamWriter | None = None
    try:
        inside_reader, inside = await asyncio.open_connection(*target)
        await asyncio.gather(_copy(outside_reader, inside), _copy(inside_reader, outside))
    except OSError:
        outside.transport.abort()  # the client sees a reset, as it would inside
    finally:
        outside.close()
        if inside is not None:
            inside.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
