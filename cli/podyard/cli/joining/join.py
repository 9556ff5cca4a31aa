"""Becoming a node of a cluster elsewhere, and being one again after a restart."""

from __future__ import annotations

import logging
import re
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path

from podyard.cli.cluster import config, index
from podyard.cli.joining import bootstrap, node_config, tokens
from podyard.cli.joining.discovery import check_hash, discover, hash_of
from podyard.cli.joining.node_config import NodeConfig
from podyard.cli.joining.rest import OtherAuthority, Rest, Unreachable
from podyard.kubelet.certificates import lifetime
from podyard.process.files import write_file
from podyard.process.main import UserError

logger = logging.getLogger("join")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the flags say; "" for what is not given. `server` is HOST:PORT."""

    name: str
    data_dir: Path | None
    server: str
    token: str
    ca_hash: str
    node_name: str
    node_ip: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The node that this host is, with a certificate that is good. `reached`: the server has answered."""

    node: NodeConfig
    reached: bool = True


async def become(wish: Wish) -> Joined:
    """Be the node that is wished for. Raises UserError."""
    where = index.place_of(wish.name, wish.data_dir)
    if config.load(where) is not None:
        raise UserError(f"{where} belongs to a cluster of this host; give another --name or --data-dir")
    known = node_config.load(where)
    if known is None:
        return Joined(await _join(_complete(wish), where))
    _check_unchanged(known, wish)
    node = replace(known, api=wish.server or known.api, node_ip=wish.node_ip or known.node_ip)
    ends = lifetime(node.client_file, ())
    if ends is None or ends[1] <= time.time():
        return Joined(await _join_again(node, wish))
    return await _refresh(node)


def _complete(wish: Wish) -> Wish:
    """The wish of a host that has not joined yet. Raises UserError for what is missing in it."""
    if not wish.server:
        raise UserError("give the server's ADDRESS:PORT, as `podyard server` has printed it")
    if not wish.token or not wish.ca_hash:
        flag = "--ca-cert-hash" if wish.token else "--token"
        raise UserError(
            f"{flag} is missing: this host has not joined yet; on the server "
            "`podyard token create --print-join-command` prints the whole command"
        )
    tokens.check(wish.token)
    name = wish.node_name or socket.gethostname().lower()
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name):
        raise UserError(
            f"--node-name {name!r}: a name has small letters, digits, '-' and '.', and starts and ends "
            "with a letter or digit"
        )
    address = wish.node_ip or _own_address(wish.server)
    return replace(wish, node_name=name, node_ip=address, ca_hash=check_hash(wish.ca_hash))


async def _join(wish: Wish, where: Path) -> NodeConfig:
    index.refuse_strange_content(where)
    ca = await discover(wish.server, wish.ca_hash)
    async with Rest(wish.server, ca=ca, token=wish.token) as rest:
        settings = await bootstrap.fetch_settings(rest)
        await bootstrap.check_name(rest, wish.node_name)
        identity = await bootstrap.get_certificate(rest, wish.node_name)
    index.remember(wish.name, where)
    node = NodeConfig(wish.name, str(where), wish.node_name, wish.node_ip, wish.server, settings)
    for directory in (where, where / "pki"):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    node.save()
    write_file(node.ca_file, ca, 0o644)
    write_file(node.client_file, identity, 0o600)
    return node


async def _join_again(node: NodeConfig, wish: Wish) -> NodeConfig:
    """The node is known here, but its certificate has ended: a token gives it another one."""
    if not wish.token:
        raise UserError(
            f"node {node.node_name} has no certificate that is still valid; give a --token, which "
            "`podyard token create` on the server prints"
        )
    async with Rest(node.api, ca=_ca(node), token=tokens.check(wish.token)) as rest:
        settings = await bootstrap.fetch_settings(rest)
        identity = await bootstrap.get_certificate(rest, node.node_name)
    node = replace(node, settings=settings)
    node.save()
    write_file(node.client_file, identity, 0o600)
    return node


async def _refresh(node: NodeConfig) -> Joined:
    """The node with what the server says now; without the server, with what it has said last."""
    reached = True
    try:
        async with Rest(node.api, ca=_ca(node), identity=node.client_file) as rest:
            node = replace(node, settings=await bootstrap.fetch_settings(rest))
    except OtherAuthority:
        raise UserError(
            f"{node.api} is another cluster now than the one that {node.data_dir} belongs to: its CA is "
            f"another. `podyard down --purge --data-dir {node.data_dir}` forgets that one"
        ) from None
    except Unreachable as error:
        logger.warning("going on with what the server has said last: %s", error)
        reached = False
    node.save()
    return Joined(node, reached)


def _check_unchanged(known: NodeConfig, wish: Wish) -> None:
    """UserError when the flags are about another node or cluster than the directory is of."""
    if wish.node_name and wish.node_name != known.node_name:
        raise UserError(
            f"{known.data_dir} belongs to node {known.node_name}, not {wish.node_name}; "
            "give another --name or --data-dir"
        )
    if wish.ca_hash and check_hash(wish.ca_hash) != (found := hash_of(_ca(known))):
        raise UserError(
            f"{known.data_dir} belongs to another cluster, whose CA has the hash {found}; give another "
            f"--name or --data-dir, or `podyard down --purge --data-dir {known.data_dir}` first"
        )


def _ca(node: NodeConfig) -> bytes:
    try:
        return node.ca_file.read_bytes()
    except OSError as error:
        raise UserError(f"{node.ca_file} cannot be read: {error.strerror}") from None


def _own_address(server: str) -> str:
    """The address by which this host reaches the server. Nothing is sent."""
    host, _, port = server.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((host, int(port)))
        except OSError as error:
            raise UserError(f"cannot reach {server}: {error.strerror or error}") from None
        return str(sock.getsockname()[0])
