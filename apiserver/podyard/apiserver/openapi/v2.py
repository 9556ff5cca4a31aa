"""OpenAPI 2.0 (Swagger): one document for everything."""

from __future__ import annotations

from typing import Any

from podyard.api.resources import RESOURCES
from podyard.api.version import GIT_VERSION
from podyard.apiserver.openapi.operations import PATH_PARAMETERS, Kind, Operation, operations_of
from podyard.apiserver.openapi.schemas import closure, convert, name_of, reference

Object = dict[str, Any]


def document() -> Object:
    """What /openapi/v2 answers."""
    paths: dict[str, Object] = {}
    roots: set[str] = set()
    for resource in RESOURCES:
        roots.add(name_of(resource.group, resource.version, resource.kind))
        for operation in operations_of(resource):
            item = paths.setdefault(operation.path, _path_item(operation.path))
            item[operation.method] = _operation(operation)
            roots.update(name_of(*kind) for kind in (operation.body, operation.answer) if kind)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths,
        "definitions": {name: convert(name, "v2") for name in closure(roots)},
    }


def _path_item(path: str) -> Object:
    parameters = [
        {
            "name": name,
            "in": "path",
            "description": description,
            "required": True,
            "type": "string",
            "uniqueItems": True,
        }
        for name, description in PATH_PARAMETERS.items()
        if f"{{{name}}}" in path
    ]
    return {"parameters": parameters} if parameters else {}


def _operation(operation: Operation) -> Object:
    group, version, kind = operation.kind
    parameters: list[Object] = [
        {"name": name, "in": "query", "description": description, "type": form, "uniqueItems": True}
        for name, (form, description) in operation.query.items()
    ]
    if operation.body is not None:
        required = operation.verb not in ("delete", "deletecollection")
        parameters.append(
            {"name": "body", "in": "body", "required": required, "schema": _schema(operation.body)}
        )
    answer: Object = {
        "operationId": operation.operation_id,
        "tags": [f"{group or 'core'}_{version}"],
        "consumes": ["*/*"],
        "produces": ["application/json", "application/yaml"],
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "schema": _schema(operation.answer)},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(operation.verb, operation.verb),
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }
    return answer


def _schema(kind: Kind) -> Object:
    name = name_of(*kind)
    return reference(name, "v2") if name else {"type": "string"}
