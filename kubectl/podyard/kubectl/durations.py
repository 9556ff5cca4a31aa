"""Times of objects as ages and dates."""

from __future__ import annotations

import time
from datetime import datetime

from podyard.api.times import from_rfc3339, human_duration


def age(timestamp: str | None, now: float | None = None) -> str:
    """How long ago that was: "5s", "2m30s"; "<unknown>" without a time."""
    try:
        then = from_rfc3339(timestamp or "")
    except ValueError:
        return "<unknown>"
    return human_duration((time.time() if now is None else now) - then)


def rfc1123(timestamp: str | None) -> str:
    """A time as `kubectl describe` shows it: "Mon, 23 Nov 2026 09:38:37 +0000"."""
    try:
        moment = datetime.fromtimestamp(from_rfc3339(timestamp or "")).astimezone()
    except ValueError:
        return "Mon, 01 Jan 0001 00:00:00 +0000"
    return moment.strftime("%a, %d %b %Y %H:%M:%S %z")


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration: "1m30s"."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if seconds != whole:
        return f"{seconds:g}s"
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
