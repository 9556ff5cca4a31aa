"""Refusals that a controller expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from podyard.api.errors import StatusError


@contextmanager
def ignore_not_found() -> Iterator[None]:
    """Pass over 404, and over a 409 because another object has the name now: what was to go has gone."""
    try:
        yield
    except StatusError as error:
        if error.code != 404 and error.reason != "Conflict":
            raise


def namespace_terminating(error: StatusError) -> bool:
    """Whether a creation was refused because its namespace is being deleted."""
    causes = error.status.get("details", {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
