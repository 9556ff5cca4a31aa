"""Fitting endpoints into EndpointSlices, with as few changes as possible. Pure.

Source: k8s.io/endpointslice reconciler.go (reconcileByPortMapping).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from podyard.controllers.endpoints.pods import Ports
from podyard.controllers.meta import Object, annotations_of, labels_of

CAPACITY = 100
"""How many endpoints a slice holds (--max-endpoints-per-slice)."""

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"

Groups = Mapping[tuple[str, Ports], Sequence[Object]]
"""Endpoints by address type and ports."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Slices to write, in this order."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Template:
    """What all slices of one Service have in common."""

    namespace: str
    generate_name: str
    labels: dict[str, str]
    owner: Object  # owner reference
    annotations: dict[str, str] = field(default_factory=dict)
    trigger_time: str = ""  # set on slices that change; "" leaves the annotation out


def reconcile(
    template: Template, groups: Groups, existing: Sequence[Object], *, placeholder: bool = False
) -> Changes:
    """What to write so that the slices hold these endpoints.

    `placeholder` keeps an empty slice of a Service without endpoints, which says that somebody
    looks after it.
    """
    changes = Changes()
    wanted = {key: list(endpoints) for key, endpoints in groups.items()}
    by_group: dict[tuple[str, Ports], list[Object]] = {}
    for slice_ in sorted(existing, key=lambda s: str(s["metadata"]["name"])):
        by_group.setdefault(_group_of(slice_), []).append(slice_)
    if not wanted and placeholder:
        wanted[("IPv4", ())] = []
    for key, endpoints in wanted.items():
        _fit(template, key, endpoints, by_group.pop(key, []), changes)
    changes.delete.extend(slice_ for slices in by_group.values() for slice_ in slices)
    return _reuse(changes)


def _reuse(changes: Changes) -> Changes:
    """Turn a deletion and a creation of one address type into an update: names stay, one write less."""
    create, delete, update = [], list(changes.delete), list(changes.update)
    for new in changes.create:
        old = next((s for s in delete if s["addressType"] == new["addressType"]), None)
        if old is None:
            create.append(new)
            continue
        delete.remove(old)
        metadata = {k: v for k, v in old["metadata"].items() if k != "annotations"}
        fresh = {k: new["metadata"][k] for k in ("labels", "annotations") if k in new["metadata"]}
        update.append({**new, "metadata": {**metadata, **fresh}})
    return Changes(create, update, delete)


def _fit(
    template: Template,
    key: tuple[str, Ports],
    endpoints: list[Object],
    slices: Sequence[Object],
    changes: Changes,
) -> None:
    """Keep endpoints where they are, fill up slices that change anyway, then others, then new ones."""
    missing = {_identity(endpoint): endpoint for endpoint in endpoints}
    contents = []
    for slice_ in slices:
        kept = [
            missing.pop(_identity(old)) for old in slice_.get("endpoints") or () if _identity(old) in missing
        ]
        contents.append(kept)
    touched = [kept != (s.get("endpoints") or []) for kept, s in zip(contents, slices, strict=True)]
    fullest_first = sorted(range(len(slices)), key=lambda i: (not touched[i], -len(contents[i])))
    rest = list(missing.values())
    for i in fullest_first:
        room = CAPACITY - len(contents[i])
        contents[i].extend(rest[:room])
        rest = rest[room:]
    full = [rest[i : i + CAPACITY] for i in range(0, len(rest), CAPACITY)]
    if not slices and not full:
        full = [[]]
    changes.create.extend(_new_slice(template, key, chunk) for chunk in full)
    keep_empty = not endpoints
    for slice_, content in zip(slices, contents, strict=True):
        if not content and not keep_empty:
            changes.delete.append(slice_)
            continue
        keep_empty = keep_empty and bool(content)  # one empty slice is enough
        updated = _updated(template, slice_, content)
        if updated is not None:
            changes.update.append(updated)


def _identity(endpoint: Object) -> tuple[str, str, str]:
    target = endpoint.get("targetRef") or {}
    return endpoint["addresses"][0], target.get("uid", ""), endpoint.get("hostname", "")


def _group_of(slice_: Object) -> tuple[str, Ports]:
    ports = tuple(
        (port.get("name", ""), port.get("protocol", "TCP"), port.get("port"), port.get("appProtocol", ""))
        for port in slice_.get("ports") or ()
    )
    return slice_["addressType"], ports


def _port_objects(ports: Ports) -> list[Object]:
    made = []
    for name, protocol, number, app_protocol in ports:
        port: Object = {"name": name, "protocol": protocol}
        if number is not None:
            port["port"] = number
        if app_protocol:
            port["appProtocol"] = app_protocol
        made.append(port)
    return made


def _new_slice(template: Template, key: tuple[str, Ports], endpoints: list[Object]) -> Object:
    address_type, ports = key
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": template.generate_name,
            "namespace": template.namespace,
            "labels": template.labels,
            "ownerReferences": [template.owner],
            **_annotations(template, template.trigger_time),
        },
        "addressType": address_type,
        "endpoints": endpoints,
        "ports": _port_objects(ports),
    }


def _annotations(template: Template, trigger_time: str) -> Object:
    annotations = {**template.annotations, **({TRIGGER_TIME: trigger_time} if trigger_time else {})}
    return {"annotations": annotations} if annotations else {}


def _updated(template: Template, slice_: Object, endpoints: list[Object]) -> Object | None:
    """The slice with this content, or None when nothing changes."""
    same_endpoints = endpoints == (slice_.get("endpoints") or [])
    old_time = annotations_of(slice_).get(TRIGGER_TIME, "")
    time = old_time if same_endpoints else template.trigger_time
    annotations = _annotations(template, time)
    if (
        same_endpoints
        and labels_of(slice_) == template.labels
        and annotations_of(slice_) == annotations.get("annotations", {})
    ):
        return None
    metadata = {k: v for k, v in slice_["metadata"].items() if k != "annotations"}
    return {
        **slice_,
        "metadata": {**metadata, "labels": template.labels, **annotations},
        "endpoints": endpoints,
    }
