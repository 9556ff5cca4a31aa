"""OpenAPI 2.0 in protobuf (openapi.v2.Document of google/gnostic): all that kubectl before 1.29 reads.

The numbers are those of OpenAPIv2.proto. Only what `v2.document` makes is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from podyard.apiserver.protobuf.wire import encoded_bool, encoded_bytes, encoded_text

Object = Mapping[str, Any]

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for."""

CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What they are answered, which RFC 7231 allows where "@" is not allowed."""

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def encode(document: Object) -> bytes:
    """The whole document."""
    info = encoded_text(1, document["info"]["title"]) + encoded_text(2, document["info"]["version"])
    paths = _join(
        encoded_bytes(2, _named(path, _path_item(item))) for path, item in document["paths"].items()
    )
    definitions = _schemas(document["definitions"])
    return (
        encoded_text(1, document["swagger"])
        + encoded_bytes(2, info)
        + encoded_bytes(8, paths)
        + encoded_bytes(9, definitions)
    )


def _join(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts)


def _named(name: str, value: bytes) -> bytes:
    return encoded_text(1, name) + encoded_bytes(2, value)


def _path_item(item: Object) -> bytes:
    operations = (
        encoded_bytes(number, _operation(item[method]))
        for method, number in _METHODS.items()
        if method in item
    )
    parameters = (encoded_bytes(9, _parameter(p)) for p in item.get("parameters", ()))
    return _join(operations) + _join(parameters)


def _operation(operation: Object) -> bytes:
    responses = (
        encoded_bytes(1, _named(code, encoded_bytes(1, _response(response))))
        for code, response in operation["responses"].items()
    )
    return _join(
        (
            *(encoded_text(1, tag) for tag in operation["tags"]),
            encoded_text(5, operation["operationId"]),
            *(encoded_text(6, media) for media in operation["produces"]),
            *(encoded_text(7, media) for media in operation["consumes"]),
            *(encoded_bytes(8, _parameter(p)) for p in operation["parameters"]),
            encoded_bytes(9, _join(responses)),
            *(encoded_text(10, scheme) for scheme in operation["schemes"]),
            _extensions(13, operation),
        )
    )


def _response(response: Object) -> bytes:
    schema = response.get("schema")
    body = encoded_bytes(2, encoded_bytes(1, _schema(schema))) if schema else b""
    return encoded_text(1, response["description"]) + body


def _parameter(parameter: Object) -> bytes:
    """A ParametersItem: of the body, of the query or of the path."""
    required = parameter.get("required", False)
    name, place = parameter["name"], parameter["in"]
    if place == "body":
        body = encoded_text(2, name) + encoded_text(3, place) + encoded_bool(4, required)
        return encoded_bytes(1, encoded_bytes(1, body + encoded_bytes(5, _schema(parameter["schema"]))))
    common = (
        encoded_bool(1, required)
        + encoded_text(2, place)
        + encoded_text(3, parameter["description"])
        + encoded_text(4, name)
    )
    if place == "query":
        parts = encoded_bytes(3, common + encoded_text(6, parameter["type"]) + encoded_bool(20, True))
    else:
        parts = encoded_bytes(4, common + encoded_text(5, parameter["type"]) + encoded_bool(19, True))
    return encoded_bytes(1, encoded_bytes(2, parts))


def _schemas(schemas: Mapping[str, Object]) -> bytes:
    """Definitions or Properties: schemas by name."""
    return _join(encoded_bytes(1, _named(name, _schema(schema))) for name, schema in schemas.items())


def _schema(schema: Object) -> bytes:
    parts = [
        encoded_text(1, schema.get("$ref", "")),
        encoded_text(2, schema.get("format", "")),
        encoded_text(4, schema.get("description", "")),
        *(encoded_text(19, name) for name in schema.get("required", ())),
    ]
    if isinstance(extra := schema.get("additionalProperties"), dict):
        parts.append(encoded_bytes(21, encoded_bytes(1, _schema(extra))))
    if kind := schema.get("type"):
        parts.append(encoded_bytes(22, encoded_text(1, kind)))
    if items := schema.get("items"):
        parts.append(encoded_bytes(23, encoded_bytes(1, _schema(items))))
    if properties := schema.get("properties"):
        parts.append(encoded_bytes(25, _schemas(properties)))
    parts.append(_extensions(31, schema))
    return _join(parts)


def _extensions(number: int, node: Object) -> bytes:
    """The x- fields, each with its value as YAML."""
    return _join(
        encoded_bytes(number, _named(key, encoded_text(2, orjson.dumps(value).decode() + "\n")))
        for key, value in node.items()
        if key.startswith("x-")
    )
