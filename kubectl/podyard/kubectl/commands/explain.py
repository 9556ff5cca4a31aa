"""kubectl explain. Source: k8s.io/kubectl pkg/cmd/explain."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import ApiError, CommandError, PlainError
from podyard.kubectl.explaining import Explainer
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Describe a kind, or one of its fields."""
    if not session.args:
        raise CommandError(
            'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete '
            "list of supported resources.\n"
        )
    if len(session.args) > 1:
        raise CommandError("We accept only this format: explain RESOURCE\n")
    if session["output"] != "plaintext":
        raise CommandError(f"unrecognized format: {session['output']}; the one there is: plaintext")
    word, *path = session.args[0].rstrip(".").split(".")
    try:
        resource = _resource(session, word)
    except ApiError:
        raise
    except CommandError as error:
        raise PlainError(str(error)) from None
    explainer = Explainer(_document(session, resource))
    schema = explainer.find(resource.group, resource.version, resource.kind)
    group = f"GROUP:      {resource.group}\n" if resource.group else ""
    session.out(f"{group}KIND:       {resource.kind}\nVERSION:    {resource.version}\n\n")
    if schema is None:
        raise PlainError(f"error: GVK {resource.group_version} {resource.kind} not found in OpenAPI schema")
    text = explainer.explain(schema, path, session["recursive"])
    if text is None:
        raise PlainError(f'error: field "{path[-1]}" does not exist')
    session.out(text + "\n")
    return 0


def _resource(session: Session, word: str) -> Resource:
    """What a word means, in the version of --api-version if there is one."""
    found, version = session.discovery.find(word), session["api-version"]
    if not version or found.group_version == version:
        return found
    for other in session.discovery.all:
        if other.group_version == version and other.plural == found.plural:
            return other
    raise CommandError(f'couldn\'t find resource for "{version}, Resource={found.plural}"')


def _document(session: Session, resource: Resource) -> dict[str, Any]:
    """The OpenAPI document of a resource's group and version."""
    root = f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"
    paths = session.transport.json("GET", "/openapi/v3")["paths"]
    if root not in paths:
        raise CommandError(f'couldn\'t find resource for "{resource.group_resource}"')
    return session.transport.json("GET", paths[root]["serverRelativeURL"])


COMMAND = Command(
    "explain TYPE [--recursive=FALSE|TRUE]",
    "Get documentation for a resource",
    run,
    (
        Flag("recursive", "When true, print the name of all the fields recursively.", kind="bool"),
        Flag("api-version", "Use given api-version (group/version) of the resource."),
        Flag("output", "Format in which to render the schema: plaintext.", default="plaintext"),
    ),
    "kubectl explain pods\nkubectl explain pods.spec.containers",
)
