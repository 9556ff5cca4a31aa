"""The list of all controllers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from podyard.client.client import Client
from podyard.client.factory import InformerFactory
from podyard.controllers.bootstrap_tokens import TokenCleanerController
from podyard.controllers.certificates.approver import CertificateApprovingController
from podyard.controllers.certificates.cleaner import CertificateCleanerController
from podyard.controllers.certificates.signer import CertificateSigningController
from podyard.controllers.certificates.signing import Signing
from podyard.controllers.deployment.controller import DeploymentController
from podyard.controllers.disruption_budgets import DisruptionController
from podyard.controllers.endpoints.endpoints_controller import EndpointsController
from podyard.controllers.endpoints.mirroring_controller import EndpointSliceMirroringController
from podyard.controllers.endpoints.slice_controller import EndpointSliceController
from podyard.controllers.gc.collector import GarbageCollector
from podyard.controllers.loadbalancers.controller import LoadBalancerController
from podyard.controllers.namespaces import NamespaceController
from podyard.controllers.nodes.dns import NodeDnsController
from podyard.controllers.nodes.eviction import TaintEvictionController
from podyard.controllers.nodes.ipam import NodeIpamController
from podyard.controllers.nodes.lifecycle import NodeLifecycleController
from podyard.controllers.nodes.podgc import PodGarbageCollector
from podyard.controllers.replicaset.controller import (
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    ReplicaSetController,
)
from podyard.controllers.serviceaccounts import namespace_defaults
from podyard.controllers.token_secrets import TokenSecretController
from podyard.process.clock import Clock


class Controller(Protocol):
    """What all controllers have in common."""

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say."""

    cluster_cidr: IPv4Network | IPv6Network
    node_mask_size: int
    node_grace_seconds: float
    ca_certificate: str  # PEM
    load_balancers: IPv4Network
    signing: Signing
    node_dns_port: int = 0  # where every node has a DNS server; 0: none has


async def run_controllers(
    client: Client, informers: InformerFactory, clock: Clock, settings: Settings, ready: Awaitable[object]
) -> None:
    """Run every controller until cancelled.

    Garbage collection, which watches everything, begins after `ready`, so that it does not
    hold up the others' start.
    """
    controllers: list[Controller] = [
        DeploymentController(client, informers, clock),
        ReplicaSetController(client, informers, clock, REPLICA_SET),
        ReplicaSetController(client, informers, clock, REPLICATION_CONTROLLER),
        EndpointSliceController(client, informers),
        EndpointsController(client, informers),
        EndpointSliceMirroringController(client, informers),
        *namespace_defaults(client, informers, settings.ca_certificate),
        TokenSecretController(client, informers, settings.ca_certificate),
        LoadBalancerController(client, informers, settings.load_balancers),
        NamespaceController(client, informers, clock),
        NodeIpamController(client, informers, settings.cluster_cidr, settings.node_mask_size),
        NodeLifecycleController(client, informers, clock, settings.node_grace_seconds),
        TaintEvictionController(client, informers, clock),
        PodGarbageCollector(client, informers, clock),
        DisruptionController(client, informers, clock),
        TokenCleanerController(client, informers, clock),
        CertificateApprovingController(client, informers),
        CertificateSigningController(client, informers, clock, settings.signing),
        CertificateCleanerController(client, informers, clock),
    ]
    if settings.node_dns_port:
        controllers.append(NodeDnsController(client, informers, settings.node_dns_port))
    async with asyncio.TaskGroup() as group:
        for controller in controllers:
            group.create_task(controller.run())
        await ready
        group.create_task(GarbageCollector(client, informers).run())
