"""Namespaces, with their quotas and limits."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.describe.lines import Lines, heading, labels_and_annotations
from podyard.kubectl.durations import rfc1123
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session

Object = dict[str, Any]


def namespace(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A namespace."""
    lines = Lines()
    heading(lines, obj, namespace=False)
    labels_and_annotations(lines, obj)
    status = obj.get("status") or {}
    lines.named("Status", status.get("phase", ""))
    if status.get("conditions"):
        lines.add("Conditions:")
        lines.add("Type\tStatus\tLastTransitionTime\tReason\tMessage", 1)
        lines.add("----\t------\t------------------\t------\t-------", 1)
    for one in status.get("conditions") or ():
        when, reason = rfc1123(one.get("lastTransitionTime")), one.get("reason", "")
        lines.add(
            f"{one.get('type', '')}\t{one.get('status', '')}\t{when}\t{reason}\t{one.get('message', '')}", 1
        )
    name = obj["metadata"]["name"]
    quotas, limits = (_list(session, name, kind) for kind in ("resourcequotas", "limitranges"))
    if quotas is not None:
        lines.add("")
        _quotas(lines, quotas)
    if limits is not None:
        lines.add("")
        _limits(lines, limits)
    return lines.text()


def _list(session: Session, name: str, plural: str) -> list[Object] | None:
    try:
        return list(session.transport.json("GET", f"/api/v1/namespaces/{name}/{plural}").get("items") or ())
    except CommandError:
        return None


def _quotas(lines: Lines, quotas: list[Object]) -> None:
    lines.add("Resource Quotas" if quotas else "No resource quota.")
    for quota in sorted(quotas, key=lambda one: str(one["metadata"]["name"])):
        status = quota.get("status") or {}
        lines.named("Name", quota["metadata"]["name"], 1)
        lines.add("Resource\tUsed\tHard", 1)
        lines.add("--------\t---\t---", 1)
        for resource, hard in sorted((status.get("hard") or {}).items()):
            lines.add(f"{resource}\t{(status.get('used') or {}).get(resource, '0')}\t{hard}", 1)


def _limits(lines: Lines, ranges: list[Object]) -> None:
    if not ranges:
        lines.add("No LimitRange resource.")
        return
    titles = "Min\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio"
    lines.add(f"Resource Limits\n Type\tResource\t{titles}")
    lines.add(" ----\t--------\t---\t---\t---------------\t-------------\t-----------------------")
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for limits in (limits for one in ranges for limits in one["spec"].get("limits") or ()):
        for resource in sorted({name for field in fields for name in limits.get(field) or ()}):
            cells = ((limits.get(field) or {}).get(resource, "-") for field in fields)
            lines.add("\t".join((f" {limits.get('type', '')}", resource, *cells)))
