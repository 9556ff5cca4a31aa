"""A real apiserver in this process, for tests of what talks to one."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from podyard.apiserver.registry.generic import GenericRegistry
from podyard.apiserver.server import Config, TokenConfig, running
from podyard.apiserver.tokens.authority import Keys
from podyard.apiserver.tokens.jws import SigningKey
from podyard.process.clock import Clock
from podyard.process.tls import TlsFiles
from tests.support.certificates import Authority

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Of service account tokens."""


@dataclass(frozen=True, slots=True)
class RunningApiserver:
    """Where it serves, the administrator's certificate, and an authority for more of them."""

    target: str
    """HOST:PORT of the component API, for `podyard.client.client.Client(target, tls)`."""
    url: str
    """The REST API's URL."""
    tls: TlsFiles
    """kubernetes-admin of system:masters."""
    authority: Authority
    registry: GenericRegistry


@contextlib.asynccontextmanager
async def running_apiserver(
    directory: Path | None = None, *, clock: Clock | None = None, service_cidr: str = "127.96.0.0/16"
) -> AsyncIterator[RunningApiserver]:
    """Serve on free loopback ports; gRPC and HTTPS, on SQLite, with throw-away certificates.

    With the same `directory` a second run has the objects of the first.
    """
    with contextlib.ExitStack() as stack:
        place = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podyard-test-")))
        pki = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podyard-pki-")))
        authority = Authority(pki)
        key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
        config = Config(
            data_dir=place,
            address="127.0.0.1",
            port=0,
            grpc_address="127.0.0.1:0",
            service_cidr=IPv4Network(service_cidr),
            node_ports=range(30000, 32768),
            tls=authority.issue("apiserver"),
            kubelet_tls=authority.issue("kube-apiserver-kubelet-client", "system:masters"),
            cluster_dns=str(IPv4Network(service_cidr)[10]),
            advertise_address="127.0.0.1",
            tokens=TokenConfig(Keys(key, (key.public,)), ISSUER, (ISSUER, "api")),
        )
        admin = authority.issue("kubernetes-admin", "system:masters")
        async with running(config, clock) as serving:
            yield RunningApiserver(serving.target, serving.url, admin, authority, serving.registry)
