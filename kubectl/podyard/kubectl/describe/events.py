"""The events at the end of a description."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.describe.lines import NONE, Lines
from podyard.kubectl.durations import age
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session


def search_events(session: Session, obj: dict[str, Any], uid: str = "") -> list[dict[str, Any]] | None:
    """The events about an object; None when they cannot be had."""
    metadata = obj["metadata"]
    fields = {
        "involvedObject.name": metadata.get("name", ""),
        "involvedObject.namespace": metadata.get("namespace", ""),
        "involvedObject.kind": "" if obj["kind"] == "Pod" else obj["kind"],
        "involvedObject.uid": uid or metadata.get("uid", ""),
    }
    selector = ",".join(f"{key}={value}" for key, value in fields.items() if value)
    namespace = metadata.get("namespace", "")
    path = f"/api/v1/namespaces/{namespace}/events" if namespace else "/api/v1/events"
    try:
        found = session.transport.json("GET", path, query={"fieldSelector": selector, "limit": "500"})
    except CommandError:
        return None
    return list(found.get("items") or ())


def describe_events(lines: Lines, events: list[dict[str, Any]] | None) -> None:
    """The table of events; nothing when they are not wanted."""
    if events is None:
        return
    if not events:
        lines.named("Events", NONE)
        return
    lines.add("Events:")
    lines.add("Type\tReason\tAge\tFrom\tMessage", 1)
    lines.add("----\t------\t----\t----\t-------", 1)
    for event in sorted(events, key=lambda event: event.get("lastTimestamp") or ""):
        source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
        message = str(event.get("message", "")).strip()
        cells = (event.get("type", ""), event.get("reason", ""), _interval(event), source, message)
        lines.add("\t".join(cells), 1)


def _interval(event: dict[str, Any]) -> str:
    first = age(event.get("eventTime") or event.get("firstTimestamp"))
    series = event.get("series")
    if series:
        return f"{age(series.get('lastObservedTime'))} (x{series.get('count', 0)} over {first})"
    count = event.get("count") or 0
    return f"{age(event.get('lastTimestamp'))} (x{count} over {first})" if count > 1 else first
