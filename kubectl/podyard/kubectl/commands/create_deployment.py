"""kubectl create deployment."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, container, container_name, create, metadata, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Deployment that runs images."""
    name = only_name(session)
    command = session.args[session.flags.dash :] if session.flags.dash >= 0 else []
    images = session["image"]
    if len(images) > 1 and command:
        raise CommandError("cannot specify multiple --image options and command")
    containers = [container(container_name(image), image, command) for image in images]
    if session["port"] >= 0:
        containers[0]["ports"] = [{"containerPort": session["port"]}]
    labels = {"app": name}
    obj: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata(session, name), "labels": labels},
        "spec": {
            "replicas": session["replicas"],
            "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": labels},
                "spec": {"containers": containers},
            },
        },
        "status": {},
    }
    create(session, obj, "failed to create deployment:")
    return 0


COMMAND = Command(
    "create deployment NAME --image=image -- [COMMAND] [args...]",
    "Create a deployment with the specified name",
    run,
    (
        Flag("image", "Image names to run.", kind="strings", required=True),
        Flag("port", "The container port that this deployment exposes.", kind="int", default=-1),
        Flag("replicas", "Number of replicas to create.", short="r", kind="int", default=1),
        *CREATE_FLAGS,
    ),
    "kubectl create deployment my-dep --image=nginx --replicas=3 --port=80",
)
