"""On the host of the apiserver: what other hosts need is put into the cluster, as its administrator."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from podyard.api.errors import StatusError
from podyard.api.resources import CONFIGMAPS, SECRETS
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.joining import tokens
from podyard.cli.joining.settings import Object, info_map, settings_map, settings_of
from podyard.client.client import Client
from podyard.process.certificates import public_key_hash
from podyard.process.main import UserError
from podyard.process.tls import TlsFiles

DESCRIPTION = "made by podyard server"
TTL_SECONDS = 24 * 3600.0


@contextlib.asynccontextmanager
async def administrator(cluster: ClusterConfig) -> AsyncIterator[Client]:
    """The cluster's API as its administrator. A refusal inside becomes a UserError."""
    pki = cluster.path / "pki"
    try:
        client = Client(cluster.server, TlsFiles(pki / "ca.crt", pki / "admin.crt", pki / "admin.key"))
    except OSError as error:
        raise UserError(f"the certificates in {pki} cannot be read: {error.strerror}") from None
    try:
        yield client
    except StatusError as error:
        if error.code == 503:
            raise UserError(f"cluster {cluster.name} does not answer; is it running?") from None
        raise UserError(error.message) from None
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class Invitation:
    """The command that joins a cluster, and how many whole hours it is good."""

    command: str
    hours: int


async def publish(cluster: ClusterConfig) -> Invitation:
    """Tell who the cluster is and what nodes must know; give the command that joins it.

    A server that starts again gives the same token, unless most of its time is over.
    """
    async with administrator(cluster) as client:
        ca = (cluster.path / "pki" / "ca.crt").read_bytes()
        for wanted in (info_map(cluster, ca), settings_map(settings_of(cluster))):
            await _put(client, wanted)
        text, left = await _own_token(client, time.time())
    return Invitation(join_command(cluster, text), round(left // 3600))


async def _own_token(client: Client, now: float) -> tuple[str, float]:
    """The server's token, and for how many seconds it is good."""
    found = await client.list(SECRETS, tokens.NAMESPACE, field_selector=f"type={tokens.TYPE}")
    for token in map(tokens.read_secret, found.items):
        left = (token.expires or now) - now
        if token.description == DESCRIPTION and left > TTL_SECONDS / 2:
            return token.text, left
    text = await create_token(client, tokens.generate(), seconds=TTL_SECONDS, description=DESCRIPTION)
    return text, TTL_SECONDS


async def create_token(client: Client, text: str, *, seconds: float, description: str) -> str:
    """Make a token good; give it."""
    secret = tokens.make_secret(text, seconds=seconds, description=description, now=time.time())
    await client.create(SECRETS, secret)
    return text


def join_command(cluster: ClusterConfig, token: str) -> str:
    """What to run on a host that is to be a node."""
    address = cluster.api_url.removeprefix("https://")
    return f"podyard join {address} --token {token} --ca-cert-hash {ca_hash(cluster)}"


def ca_hash(cluster: ClusterConfig) -> str:
    """The hash by which hosts know the cluster's CA."""
    from cryptography import x509

    pem = (cluster.path / "pki" / "ca.crt").read_bytes()
    return public_key_hash(x509.load_pem_x509_certificate(pem))


async def _put(client: Client, wanted: Object) -> None:
    try:
        await client.create(CONFIGMAPS, wanted)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
        await client.update(CONFIGMAPS, wanted)
