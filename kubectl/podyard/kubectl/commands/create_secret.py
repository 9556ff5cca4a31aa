"""kubectl create secret: the parent of generic, tls and docker-registry."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "create secret (docker-registry | generic | tls)",
    "Create a secret using a specified subcommand",
    children={
        "docker-registry": "create_secret_docker_registry",
        "generic": "create_secret_generic",
        "tls": "create_secret_tls",
    },
)
