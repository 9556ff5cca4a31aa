"""Discovery: which groups, versions and resources there are, plain and aggregated."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
from aiohttp import web

from podyard.api.resources import RESOURCES, Resource
from podyard.apiserver.answers import answer_bytes
from podyard.apiserver.context import RestConfig
from podyard.apiserver.handlers import Handler
from podyard.apiserver.negotiate import Shape, negotiate
from podyard.apiserver.requestinfo import SUBRESOURCE_VERBS

Object = dict[str, Any]
_DISCOVERY: frozenset[Shape] = frozenset(("discovery",))

# The order in which kube-apiserver lists its groups: clients look a resource up in this order.
_GROUP_ORDER = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)

# Sub-resources whose objects are of another kind than their parent's.
_SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}
_PROXY_KINDS = {"pods": "PodProxyOptions", "services": "ServiceProxyOptions", "nodes": "NodeProxyOptions"}


class DiscoveryHandlers:
    """The handlers of /api, /apis and below."""

    def __init__(self, config: RestConfig) -> None:
        self._server_address = config.server_address
        self.paths: dict[str, Handler] = {"/api": self.core, "/apis": self.groups}
        for group, versions in groups().items():
            if group:
                self.paths[f"/apis/{group}"] = self.group
            for version in versions:
                self.paths[f"/apis/{group}/{version}" if group else f"/api/{version}"] = self.resources

    async def core(self, request: web.Request) -> web.StreamResponse:
        """/api."""
        accepted = negotiate(request.headers.get("Accept", ""), _DISCOVERY)
        if accepted.shape == "discovery":
            return answer_bytes(request, aggregated(True, accepted.version), accepted=accepted)
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": self._server_address}
        answer = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}
        return answer_bytes(request, orjson.dumps(answer), accepted=accepted)

    async def groups(self, request: web.Request) -> web.StreamResponse:
        """/apis."""
        accepted = negotiate(request.headers.get("Accept", ""), _DISCOVERY)
        if accepted.shape == "discovery":
            return answer_bytes(request, aggregated(False, accepted.version), accepted=accepted)
        named = [api_group(group) for group in groups() if group]
        answer = {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
        return answer_bytes(request, orjson.dumps(answer), accepted=accepted)

    async def group(self, request: web.Request) -> web.StreamResponse:
        """/apis/GROUP."""
        name = request.path.strip("/").split("/")[1]
        answer = {"kind": "APIGroup", "apiVersion": "v1", **api_group(name)}
        return answer_bytes(request, orjson.dumps(answer))

    async def resources(self, request: web.Request) -> web.StreamResponse:
        """/api/v1 and /apis/GROUP/VERSION."""
        *_, group, version = request.path.strip("/").split("/")
        return answer_bytes(request, resource_list("" if group == "api" else group, version))


@cache
def groups() -> dict[str, list[str]]:
    """Every group with its versions, the preferred first, in the order of discovery."""
    found: dict[str, list[str]] = {}
    for resource in sorted(RESOURCES, key=lambda r: _GROUP_ORDER.index(r.group)):
        versions = found.setdefault(resource.group, [])
        if resource.version not in versions:
            versions.append(resource.version)
    # Among stable versions the higher one is preferred (k8s.io/apimachinery version priority).
    return {group: sorted(versions, reverse=True) for group, versions in found.items()}


def api_group(group: str) -> Object:
    """One group as APIGroup states it."""
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in groups()[group]]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _other_names(resource: Resource) -> Object:
    names = {"shortNames": resource.short_names, "categories": resource.categories}
    return {key: list(value) for key, value in names.items() if value}


def _served(group: str, version: str) -> Iterable[Resource]:
    return sorted((r for r in RESOURCES if (r.group, r.version) == (group, version)), key=lambda r: r.plural)


@cache
def resource_list(group: str, version: str) -> bytes:
    """The APIResourceList of a group-version, encoded."""
    entries: list[Object] = []
    for resource in _served(group, version):
        entry: Object = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
            **_other_names(resource),
        }
        entries.append(entry)
        entries.extend(_subresource_entry(resource, sub) for sub in resource.subresources)
    group_version = f"{group}/{version}" if group else version
    answer: Object = {"kind": "APIResourceList", "groupVersion": group_version, "resources": entries}
    if group:
        answer["apiVersion"] = "v1"
    return orjson.dumps(answer)


def subresource_kind(resource: Resource, subresource: str) -> tuple[str, str, str]:
    """Group, version and kind of what a sub-resource reads or takes ("": the resource itself)."""
    if subresource == "proxy":
        return "", "v1", _PROXY_KINDS[resource.plural]
    own = (resource.group, resource.version, resource.kind)
    return _SUBRESOURCE_KINDS.get(subresource, own)


def _subresource_entry(resource: Resource, subresource: str) -> Object:
    group, version, kind = subresource_kind(resource, subresource)
    entry: Object = {
        "name": f"{resource.plural}/{subresource}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": sorted(SUBRESOURCE_VERBS[subresource]),
    }
    if (group, version) != (resource.group, resource.version):
        entry["group"], entry["version"] = group, version
    return entry


@cache
def aggregated(core: bool, version: str) -> bytes:
    """The APIGroupDiscoveryList of /api (`core`) or /apis, encoded."""
    items = [
        _group_discovery(group, versions) for group, versions in groups().items() if (group == "") == core
    ]
    return orjson.dumps(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }
    )


def _group_discovery(group: str, versions: list[str]) -> Object:
    metadata: Object = {"creationTimestamp": None}
    if group:
        metadata["name"] = group
    return {
        "metadata": metadata,
        "versions": [
            {
                "version": version,
                "resources": [_resource_discovery(r) for r in _served(group, version)],
                "freshness": "Current",
            }
            for version in versions
        ],
    }


def _resource_discovery(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **_other_names(resource),
    }
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub,
                "responseKind": _response_kind(*subresource_kind(resource, sub)),
                "verbs": sorted(SUBRESOURCE_VERBS[sub]),
            }
            for sub in resource.subresources
        ]
    return entry


def _response_kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
