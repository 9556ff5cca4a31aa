"""kubectl create secret docker-registry."""

from __future__ import annotations

import base64
import json

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.create_secret_generic import (
    DOUBLE_KEY,
    INVALID_KEY,
    create_secret,
)
from podyard.kubectl.creating import CREATE_FLAGS, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.hashing import APPEND_HASH_FLAG
from podyard.kubectl.session import Session
from podyard.kubectl.sources import SOURCE_FLAGS, read_sources

_KEY = ".dockerconfigjson"


def run(session: Session) -> int:
    """Make a Secret that a registry of images can be used with."""
    name = only_name(session)
    user, password, email, server = (
        session[f"docker-{part}"] for part in ("username", "password", "email", "server")
    )
    values = read_sources(session, INVALID_KEY, DOUBLE_KEY)
    if not values and not (user and password and server):
        raise CommandError(
            "either --from-file or the combination of --docker-username, --docker-password and "
            "--docker-server is required"
        )
    if values:
        if len(values) > 1:
            raise CommandError("--from-file names one file: it becomes the key .dockerconfigjson")
        values = {_KEY: next(iter(values.values()))}
    else:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        entry = {"username": user, "password": password, "email": email, "auth": pair}
        auths = {server: {key: value for key, value in entry.items() if value}}
        values = {_KEY: json.dumps({"auths": auths}, separators=(",", ":")).encode()}
    create_secret(session, name, "kubernetes.io/dockerconfigjson", values)
    return 0


COMMAND = Command(
    "create secret docker-registry NAME --docker-username=user --docker-password=password",
    "Create a secret for use with a Docker registry",
    run,
    (
        Flag("docker-username", "Username for Docker registry authentication"),
        Flag("docker-password", "Password for Docker registry authentication"),
        Flag("docker-email", "Email for Docker registry"),
        Flag("docker-server", "Server location for Docker registry", default="https://index.docker.io/v1/"),
        *SOURCE_FLAGS,
        APPEND_HASH_FLAG,
        *CREATE_FLAGS,
    ),
)
