"""The list of all controllers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from podyard.client.client import Client
from podyard.client.factory import InformerFactory
from podyard.controllers.deployment.controller import DeploymentController
from podyard.controllers.endpoints.endpoints_controller import EndpointsController
from podyard.controllers.endpoints.mirroring_controller import EndpointSliceMirroringController
from podyard.controllers.endpoints.slice_controller import EndpointSliceController
from podyard.controllers.replicaset.controller import (
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    ReplicaSetController,
)
from podyard.process.clock import Clock


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say."""

    cluster_cidr: IPv4Network | IPv6Network
    node_mask_size: int
    node_grace_seconds: float
    ca_certificate: str  # PEM


async def run_controllers(
    client: Client, informers: InformerFactory, clock: Clock, settings: Settings, ready: Awaitable[object]
) -> None:
    """Run every controller until cancelled.

    Garbage collection, which watches everything, begins after `ready`, so that it does not
    hold up the others' start.
    """
    controllers = [
        DeploymentController(client, informers, clock),
        ReplicaSetController(client, informers, clock, REPLICA_SET),
        ReplicaSetController(client, informers, clock, REPLICATION_CONTROLLER),
        EndpointSliceController(client, informers),
        EndpointsController(client, informers),
        EndpointSliceMirroringController(client, informers),
    ]
    async with asyncio.TaskGroup() as group:
        for controller in controllers:
            group.create_task(controller.run())
        await ready
