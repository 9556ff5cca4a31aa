"""Waiting until a deleted object is gone."""

from __future__ import annotations

import time
from typing import Any

from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag, parse_bool
from podyard.kubectl.session import Session
from podyard.kubectl.watching import TimedOut, follow_object
from podyard.kubectl.writing import Writer

FOREVER = 7 * 24 * 3600.0
"""The seconds after which even a wait without limit ends."""

DELETE_FLAGS = (
    Flag(
        "cascade",
        'Must be "background", "orphan", or "foreground": how dependents are deleted.',
        default="background",
        bare="background",
    ),
    Flag("grace-period", "Seconds given to what is deleted to end.", kind="int", default=-1),
    Flag("timeout", "The length of time to wait before giving up on a delete.", kind="duration"),
)
"""What every command that deletes has."""


def propagation(session: Session) -> str:
    """The server's word for --cascade. Raises CommandError."""
    policies = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
    text = str(session["cascade"])
    if text in policies:
        return policies[text]
    try:
        meant = "background" if parse_bool(text) else "orphan"
    except ValueError:
        raise CommandError(
            f'invalid cascade value ({text}). Must be "background", "foreground", or "orphan"'
        ) from None
    session.err(
        f"warning: --cascade={text} is deprecated (boolean value) and can be replaced with "
        f"--cascade={meant}.\n"
    )
    return policies[meant]


def wait_until_gone(session: Session, info: Info, uid: str, deadline: float) -> None:
    """Return when the object, or the one with this uid, does not exist any more.

    `deadline` is a time of time.monotonic. Raises CommandError when it passes.
    """
    timed_out = CommandError(f"timed out waiting for the condition on {info.resource.plural}/{info.name}")
    try:
        now = session.transport.json("GET", info.path)
    except ApiError as error:
        if error.not_found:
            return
        raise
    if uid and now["metadata"].get("uid") != uid:
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise timed_out
    try:
        for event, obj in follow_object(session, info.resource, info.namespace, info.name, left):
            if event in ("ABSENT", "DELETED") or (uid and obj["metadata"].get("uid") != uid):
                return
    except TimedOut:
        raise timed_out from None


def options(session: Session) -> dict[str, Any]:
    """The DeleteOptions that --cascade and --grace-period ask for. Raises CommandError."""
    asked: dict[str, Any] = {"propagationPolicy": propagation(session)}
    if session["grace-period"] >= 0:
        asked["gracePeriodSeconds"] = session["grace-period"]
    return asked


def delete(session: Session, info: Info, asked: dict[str, Any]) -> bool:
    """Delete an object with these DeleteOptions; False when there is none."""
    try:
        Writer(session).delete(info, asked)
    except ApiError as error:
        if error.not_found:
            return False
        raise
    return True


def end_of(session: Session, default: float) -> float:
    """When --timeout ends, or `default` seconds without one; a time of time.monotonic."""
    return time.monotonic() + (session["timeout"] or default)
