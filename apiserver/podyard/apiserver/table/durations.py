"""Times in objects as ages."""

from __future__ import annotations

from podyard.api.times import from_rfc3339, human_duration
from podyard.apiserver.table import UNKNOWN


def seconds_of(timestamp: str | None) -> float | None:
    """An RFC 3339 time as seconds since the epoch; None when there is none or it is no time."""
    if not timestamp:
        return None
    try:
        return from_rfc3339(timestamp)
    except ValueError:
        return None


def since(timestamp: str | None, now: float) -> str:
    """How long ago that was, "<unknown>" without a time."""
    then = seconds_of(timestamp)
    return UNKNOWN if then is None else human_duration(now - then)
