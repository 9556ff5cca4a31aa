"""From the published JSON Schema definitions to the schemas of an OpenAPI document.

The definitions differ from what kube-apiserver publishes in a few ways that are undone here:
null is allowed wherever a field is optional, `apiVersion` and `kind` are enumerated, and
references point to `$defs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

from podyard.api.schema import definitions

Object = dict[str, Any]
Dialect = Literal["v2", "v3"]

_REF = "#/$defs/"
_PREFIX: dict[Dialect, str] = {"v2": "#/definitions/", "v3": "#/components/schemas/"}
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


@cache
def name_of(group: str, version: str, kind: str) -> str:
    """The definition of a kind, "" when there is none."""
    return _names().get((group, version, kind), "")


@cache
def _names() -> dict[tuple[str, str, str], str]:
    return {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, definition in definitions().items()
        for gvk in definition.get("x-kubernetes-group-version-kind", ())
    }


def reference(name: str, dialect: Dialect) -> Object:
    """A reference to a definition."""
    return {"$ref": _PREFIX[dialect] + name}


def closure(roots: Iterable[str]) -> list[str]:
    """The names of the definitions that `roots` need, themselves included, sorted."""
    found: set[str] = set()
    waiting = [name for name in roots if name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_references(definitions()[name]))
    return sorted(found)


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        if isinstance(ref := node.get("$ref"), str):
            yield ref.removeprefix(_REF)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def convert(name: str, dialect: Dialect) -> Object:
    """One definition as an OpenAPI schema."""
    definition = definitions()[name]
    described = {"description": definition["description"]} if "description" in definition else {}
    if name == _INT_OR_STRING:
        if dialect == "v2":
            return {**described, "type": "string", "format": "int-or-string"}
        return {**described, "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    if name == _QUANTITY:
        if dialect == "v2":
            return {**described, "type": "string"}
        return {**described, "oneOf": [{"type": "string"}, {"type": "number"}]}
    return _convert(definition, dialect)


def _convert(node: Object, dialect: Dialect) -> Object:
    if "$ref" in node:
        return _convert_reference(node, dialect)
    schema: Object = {}
    for key, value in node.items():
        if key == "type":
            schema[key] = _without_null(value)
        elif key == "properties":
            schema[key] = {field: _property(field, child, dialect) for field, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            schema[key] = _convert(value, dialect)
        else:
            schema[key] = value
    return schema


def _convert_reference(node: Object, dialect: Dialect) -> Object:
    ref = reference(node["$ref"].removeprefix(_REF), dialect)
    others = {key: value for key, value in node.items() if key != "$ref"}
    if dialect == "v2":
        return {**others, **ref}
    # In OpenAPI 3.0 nothing may stand beside $ref.
    return {"allOf": [ref], **others} if others else ref


def _property(field: str, node: Object, dialect: Dialect) -> Object:
    schema = _convert(node, dialect)
    if field in ("apiVersion", "kind"):
        schema.pop("enum", None)
    return schema


def _without_null(kind: Any) -> Any:
    if not isinstance(kind, list):
        return kind
    real = [one for one in kind if one != "null"]
    return real[0] if len(real) == 1 else real
