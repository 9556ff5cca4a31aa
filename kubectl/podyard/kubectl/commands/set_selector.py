"""kubectl set selector."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.podtemplates import SET_FLAGS, change, chosen
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Give Services another selector."""
    if not session.args:
        raise CommandError(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
        )
    *resources, text = session.args
    selector = dict(_pair(part) for part in text.split(","))
    for info in chosen(session, resources):
        if info.resource.kind != "Service":
            raise CommandError("setting a selector is only supported for Services")
        operation = {"op": "add", "path": "/spec/selector", "value": selector}
        change(session, info, [operation], "selector updated")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CommandError(f"invalid selector {text}, expected <label>=<value>")
    return key, value


COMMAND = Command(
    "set selector (-f FILENAME | TYPE NAME) EXPRESSIONS",
    "Set the selector on a resource",
    run,
    SET_FLAGS,
    "kubectl set selector service my-svc 'environment=qa'",
)
