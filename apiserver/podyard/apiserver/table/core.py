"""Namespaces, configuration, accounts, quotas and Events."""

from __future__ import annotations

from podyard.apiserver.table import Cells, Object, Printer, columns
from podyard.apiserver.table.durations import since
from podyard.apiserver.table.fields import age, count, created_at, dig, items, name


def _namespace(obj: Object, now: float) -> Cells:
    return [name(obj), dig(obj, "status", "phase"), age(obj, now)]


def _secret(obj: Object, now: float) -> Cells:
    return [name(obj), dig(obj, "type"), len(dig(obj, "data") or {}), age(obj, now)]


def _config_map(obj: Object, now: float) -> Cells:
    return [name(obj), len(dig(obj, "data") or {}) + len(dig(obj, "binaryData") or {}), age(obj, now)]


def _service_account(obj: Object, now: float) -> Cells:
    return [name(obj), len(items(obj, "secrets")), age(obj, now)]


def _event(obj: Object, now: float) -> Cells:
    """An Event of v1 or of events.k8s.io/v1, whose fields have other names."""
    first_time = dig(obj, "firstTimestamp") or dig(obj, "deprecatedFirstTimestamp") or dig(obj, "eventTime")
    last_time = dig(obj, "lastTimestamp") or dig(obj, "deprecatedLastTimestamp") or first_time
    times = count(obj, "count") or count(obj, "deprecatedCount") or 1
    if dig(obj, "series"):
        last_time, times = dig(obj, "series", "lastObservedTime"), count(obj, "series", "count")
    about = dig(obj, "involvedObject") or dig(obj, "regarding") or {}
    kind = str(about.get("kind", "")).lower()
    return [
        since(last_time, now),
        dig(obj, "type") or "",
        dig(obj, "reason") or "",
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath") or "",
        _event_source(obj),
        str(dig(obj, "message") or dig(obj, "note") or "").strip(),
        since(first_time, now),
        times,
        name(obj),
    ]


def _event_source(event: Object) -> str:
    source = dig(event, "source") or dig(event, "deprecatedSource") or {}
    component = (
        source.get("component") or dig(event, "reportingComponent") or dig(event, "reportingController") or ""
    )
    instance = source.get("host") or dig(event, "reportingInstance") or ""
    return f"{component}, {instance}" if instance else str(component)


def _resource_quota(obj: Object, now: float) -> Cells:
    hard, used = dig(obj, "status", "hard") or {}, dig(obj, "status", "used") or {}
    texts: dict[bool, list[str]] = {True: [], False: []}
    for resource in sorted(hard):
        limit = resource == "limits" or resource.startswith("limits.")
        texts[limit].append(f"{resource}: {used.get(resource, '0')}/{hard[resource]}")
    return [name(obj), ", ".join(texts[False]), ", ".join(texts[True]), age(obj, now)]


def _limit_range(obj: Object, now: float) -> Cells:
    return [name(obj), created_at(obj)]


_EVENT = Printer(
    columns(
        "Last Seen | Type | Reason | Object | Subobject* | Source* | Message"
        " | First Seen* | Count:int* | Name*"
    ),
    _event,
)

PRINTERS = {
    ("", "namespaces"): Printer(columns("Name | Status | Age"), _namespace),
    ("", "secrets"): Printer(columns("Name | Type | Data:int | Age"), _secret),
    ("", "configmaps"): Printer(columns("Name | Data:int | Age"), _config_map),
    ("", "serviceaccounts"): Printer(columns("Name | Secrets:int | Age"), _service_account),
    ("", "events"): _EVENT,
    ("events.k8s.io", "events"): _EVENT,
    ("", "resourcequotas"): Printer(columns("Name | Request | Limit | Age"), _resource_quota),
    ("", "limitranges"): Printer(columns("Name | Created At"), _limit_range),
}
