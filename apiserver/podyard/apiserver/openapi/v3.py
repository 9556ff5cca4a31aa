"""OpenAPI 3.0: an index, and one document a group-version."""

from __future__ import annotations

import hashlib
from typing import Any

from podyard.api.resources import RESOURCES, Resource
from podyard.api.version import GIT_VERSION, PODYARD_VERSION
from podyard.apiserver.openapi.operations import PATH_PARAMETERS, Kind, Operation, operations_of
from podyard.apiserver.openapi.schemas import closure, convert, name_of, reference

Object = dict[str, Any]


def document_paths() -> list[str]:
    """The documents there are: "api/v1", "apis/apps/v1", ..."""
    return list(dict.fromkeys(path_of(resource) for resource in RESOURCES))


def path_of(resource: Resource) -> str:
    """The document that describes a resource."""
    return f"apis/{resource.group_version}" if resource.group else f"api/{resource.version}"


def document_hash(path: str) -> str:
    """Tells one edition of a document from another: it changes with podyard's version alone."""
    return hashlib.sha512(f"{path} {GIT_VERSION} {PODYARD_VERSION}".encode()).hexdigest().upper()


def index() -> Object:
    """What /openapi/v3 answers."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={document_hash(path)}"}
            for path in document_paths()
        }
    }


def document(path: str) -> Object:
    """The document of one group-version."""
    paths: dict[str, Object] = {}
    roots: set[str] = set()
    for resource in RESOURCES:
        if path_of(resource) != path:
            continue
        roots.add(name_of(resource.group, resource.version, resource.kind))
        for operation in operations_of(resource):
            item = paths.setdefault(operation.path, _path_item(operation.path))
            item[operation.method] = _operation(operation)
            roots.update(name_of(*kind) for kind in (operation.body, operation.answer) if kind)
    roots.add(name_of("", "v1", "Status"))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths,
        "components": {"schemas": {name: convert(name, "v3") for name in closure(roots)}},
    }


def _path_item(path: str) -> Object:
    parameters = [
        {
            "name": name,
            "in": "path",
            "description": description,
            "required": True,
            "schema": {"type": "string", "uniqueItems": True},
        }
        for name, description in PATH_PARAMETERS.items()
        if f"{{{name}}}" in path
    ]
    return {"parameters": parameters} if parameters else {}


def _operation(operation: Operation) -> Object:
    group, version, kind = operation.kind
    answer: Object = {
        "operationId": operation.operation_id,
        "tags": [f"{group or 'core'}_{version}"],
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": description,
                "schema": {"type": form, "uniqueItems": True},
            }
            for name, (form, description) in operation.query.items()
        ],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": _schema(operation.answer)}},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(operation.verb, operation.verb),
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }
    if operation.body is not None:
        answer["requestBody"] = {"content": {"*/*": _schema(operation.body)}}
        if operation.verb not in ("delete", "deletecollection"):
            answer["requestBody"]["required"] = True
    return answer


def _schema(kind: Kind) -> Object:
    name = name_of(*kind)
    return {"schema": reference(name, "v3")} if name else {"schema": {"type": "string"}}
