"""Durations as Go prints them, for messages that users compare with Kubernetes'. Pure."""

from __future__ import annotations


def go_duration(seconds: float) -> str:
    """time.Duration.String() to the millisecond: "0s", "12ms", "1.5s", "10s", "1m20s", "5m0s"."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
