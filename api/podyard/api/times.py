"""Times as Kubernetes writes them. Every function takes the time; none asks a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_rfc3339(seconds: float) -> str:
    """Seconds since 1970 as a `Time`: "2026-01-02T15:04:05Z" (whole seconds, cut, not rounded)."""
    return (_EPOCH + timedelta(seconds=int(seconds // 1))).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_rfc3339_micro(seconds: float) -> str:
    """Seconds since 1970 as a `MicroTime`: "2026-01-02T15:04:05.000000Z"."""
    return (_EPOCH + timedelta(microseconds=round(seconds * 1e6))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_rfc3339(text: str) -> float:
    """A `Time` or `MicroTime` as seconds since 1970; ValueError in Go's words when it is neither."""
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, clock, fraction, sign, hours, minutes = match.groups()
        moment = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError:
        raise ValueError(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
        ) from None
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    whole = (moment - _EPOCH).total_seconds() - offset
    return whole + float(f"0.{fraction}") if fraction else whole


def human_duration(seconds: float) -> str:
    """A duration as `kubectl get` shows it in AGE: "5s", "2m30s", "3h", "4d", "2y10d".

    Source: k8s.io/apimachinery pkg/util/duration HumanDuration.
    """
    if seconds < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
