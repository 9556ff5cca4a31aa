"""kubectl wait. Source: k8s.io/kubectl pkg/cmd/wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.deletion import FOREVER, wait_until_gone
from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.finder import Found, Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.gotext import go_print
from podyard.kubectl.jsonpath import JsonPath, relaxed
from podyard.kubectl.printers import OUTPUT_FLAGS, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import ALL_NAMESPACES_FLAG, FIELD_SELECTOR_FLAG, FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.watching import TimedOut, follow_object

Met = Callable[[dict[str, Any]], bool]

_POLL_SECONDS = 0.5


def run(session: Session) -> int:
    """Wait until a condition holds for every object."""
    condition = session["for"]
    if not condition:
        raise CommandError('unrecognized condition: ""')
    timeout = session["timeout"] if session["timeout"] >= 0 else FOREVER
    end = time.monotonic() + timeout
    kind = condition.lower()
    if kind not in ("delete", "create"):
        met = parse_condition(condition)
    found = _created(session, end) if kind == "create" else find(session, wanted(session))
    if kind == "delete":
        found.errors = [error for error in found.errors if not _missing(error)]
    for info in found.infos:
        try:
            if kind == "delete":
                _wait_gone(session, info, end, timeout)
            elif kind != "create":
                _wait_for(session, info, met, end, timeout)
        except CommandError as error:
            found.errors.append(error)
            continue
        session.out(printer_for(session, "condition met")(info.object))
    found.all()
    if not found.infos and kind != "delete":
        raise CommandError("no matching resources found")
    return 0


def _missing(error: CommandError) -> bool:
    return isinstance(error, ApiError) and error.not_found


def _created(session: Session, end: float) -> Found:
    """Look until something is found."""
    while True:
        found = find(session, wanted(session))
        if found.infos and not found.errors:
            return found
        if any(not _missing(error) for error in found.errors):
            return found
        if time.monotonic() >= end:
            raise CommandError("timed out waiting for the condition")
        time.sleep(_POLL_SECONDS)


def _wait_gone(session: Session, info: Info, end: float, timeout: float) -> None:
    if timeout == 0:
        if _exists(session, info):
            raise CommandError(f"condition not met for {info.resource.plural}/{info.name}")
        return
    wait_until_gone(session, info, "", end)


def _exists(session: Session, info: Info) -> bool:
    try:
        session.transport.json("GET", info.path)
    except ApiError as error:
        if error.not_found:
            return False
        raise
    return True


def _wait_for(session: Session, info: Info, met: Met, end: float, timeout: float) -> None:
    """Wait until the object is as it should be; keeps its state in `info`."""
    name = f"{info.resource.plural}/{info.name}"
    if timeout == 0:
        info.object = session.transport.json("GET", info.path)
        if not met(info.object):
            raise CommandError(f"condition not met for {name}")
        return
    left = end - time.monotonic()
    if left <= 0:
        raise CommandError(f"timed out waiting for the condition on {name}")
    try:
        for event, obj in follow_object(session, info.resource, info.namespace, info.name, left):
            if event == "ABSENT":
                message = f'{info.resource.group_resource} "{info.name}" not found'
                raise ApiError({"reason": "NotFound", "code": 404, "message": message})
            if event != "DELETED" and met(obj):
                info.object = obj
                return
    except TimedOut:
        raise CommandError(f"timed out waiting for the condition on {name}") from None


def parse_condition(text: str) -> Met:
    """What --for=condition=… or --for=jsonpath=… asks of an object. Raises CommandError."""
    if text.startswith("condition="):
        name, equals, status = text.removeprefix("condition=").partition("=")
        return lambda obj: has_condition(obj, name, status if equals else "true")
    if text.startswith("jsonpath="):
        parts = split_once(text.removeprefix("jsonpath="))
        if len(parts) > 2:
            raise CommandError(
                "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
                "--for=jsonpath='{.status.readyReplicas}'"
            )
        if not parts[0]:
            raise CommandError("jsonpath expression cannot be empty")
        path = JsonPath(relaxed(parts[0]), allow_missing=True)
        value = parts[1].strip("'\"") if len(parts) == 2 else ""
        if len(parts) == 2 and not value:
            raise CommandError(
                "jsonpath wait has to have a value after equal sign, like "
                "--for=jsonpath='{.status.readyReplicas}'=3"
            )
        return lambda obj: has_value(obj, path, value)
    raise CommandError(f'unrecognized condition: "{text}"')


def split_once(text: str) -> list[str]:
    """Split at single equal signs; a double one is part of the path."""
    parts = text.replace("==", "\0").split("=")
    return [part.replace("\0", "==") for part in parts]


def has_condition(obj: dict[str, Any], name: str, status: str) -> bool:
    """Whether a condition of the status says so, about the present generation of the object."""
    found = obj.get("status") or {}
    for condition in found.get("conditions") or ():
        if str(condition.get("type", "")).lower() != name.lower():
            continue
        generation = obj["metadata"].get("generation")
        observed = condition.get("observedGeneration", found.get("observedGeneration"))
        if generation is not None and observed is not None and observed < generation:
            return False
        return str(condition.get("status", "")).lower() == status.lower()
    return False


def has_value(obj: dict[str, Any], path: JsonPath, value: str) -> bool:
    """Whether a path leads to a value; "" for any value. Raises CommandError when it leads to several."""
    results = path.results(obj)
    if not results or not results[0]:
        return False
    if len(results) > 1:
        raise CommandError("given jsonpath expression matches more than one list")
    if len(results[0]) > 1:
        raise CommandError("given jsonpath expression matches more than one value")
    if not value:
        return True
    if isinstance(results[0][0], (dict, list)):
        raise CommandError("jsonpath leads to a nested object or list which is not supported")
    return go_print(results[0][0]).strip() == value.strip()


COMMAND = Command(
    "wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) "
    "[--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
    "Wait for a specific condition on one or many resources",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        FIELD_SELECTOR_FLAG,
        ALL_NAMESPACES_FLAG,
        *OUTPUT_FLAGS,
        Flag(
            "for", "The condition to wait on: [create|delete|condition=NAME[=VALUE]|jsonpath='{PATH}'=VALUE]."
        ),
        Flag(
            "timeout",
            "The length of time to wait. Negative means wait for a week.",
            kind="duration",
            default=30.0,
        ),
        Flag("all", "Select all resources in the namespace of the specified resource types", kind="bool"),
    ),
    "kubectl wait --for=condition=Ready pod/busybox1\nkubectl wait --for=delete pod/busybox1 --timeout=60s",
)
