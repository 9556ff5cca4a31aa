"""kubectl create service: the parent of clusterip, nodeport, loadbalancer and externalname."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "create service (clusterip | externalname | loadbalancer | nodeport)",
    "Create a service using a specified subcommand",
    children={
        "clusterip": "create_service_clusterip",
        "externalname": "create_service_externalname",
        "loadbalancer": "create_service_loadbalancer",
        "nodeport": "create_service_nodeport",
    },
)
