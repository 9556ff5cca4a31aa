"""kubectl set resources. Source: k8s.io/kubectl pkg/cmd/set/set_resources.go."""

from __future__ import annotations

from podyard.api.quantities import parse_quantity
from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, raise_all
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag
from podyard.kubectl.podtemplates import CONTAINERS_FLAG, SET_FLAGS, change, chosen, containers, replaced
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Give containers other requests and limits."""
    if not session["limits"] and not session["requests"] and (session.args or session["filename"]):
        raise CommandError(
            "you must specify an update to requests or limits (in the form of --requests/--limits)"
        )
    given = {field: parse_amounts(session[field]) for field in ("limits", "requests") if session[field]}
    errors: list[CommandError] = []
    for info in chosen(session, session.args):
        try:
            _set(session, info, given)
        except CommandError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def parse_amounts(text: str) -> dict[str, str]:
    """`cpu=100m,memory=1Gi` as a map. Raises CommandError."""
    amounts = {}
    for part in text.split(","):
        name, equals, amount = part.partition("=")
        if not equals:
            raise CommandError(f"Invalid argument syntax {part}, expected <resource>=<value>")
        try:
            parse_quantity(amount)
        except ValueError:
            raise CommandError(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ) from None
        amounts[name] = amount
    return amounts


def _set(session: Session, info: Info, given: dict[str, dict[str, str]]) -> None:
    operations, found = [], False
    for pointer, container in containers(info, session["containers"]):
        found = True
        before = container.get("resources") or {}
        after = {**before, **{field: {**(before.get(field) or {}), **new} for field, new in given.items()}}
        if after != before:
            operations += replaced(pointer, container, "resources", after)
    if not found:
        raise CommandError(f"unable to find container named {session['containers']}")
    if not operations:
        raise CommandError(f"info: {info} was not changed\n")
    change(session, info, operations, "resource requirements updated")


COMMAND = Command(
    "set resources (-f FILENAME | TYPE NAME) ([--limits=LIMITS & --requests=REQUESTS]",
    "Update resource requests/limits on objects with pod templates",
    run,
    (
        *SET_FLAGS,
        CONTAINERS_FLAG,
        Flag("limits", "The limits, for example 'cpu=100m,memory=256Mi'."),
        Flag("requests", "The requests, for example 'cpu=100m,memory=256Mi'."),
    ),
    "kubectl set resources deployment nginx -c=nginx --limits=cpu=200m,memory=512Mi",
)
