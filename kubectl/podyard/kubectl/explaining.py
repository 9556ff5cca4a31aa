"""OpenAPI schemas as text. Source: k8s.io/kubectl pkg/explain/v2/templates/plaintext.tmpl."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podyard.kubectl.wordwrap import indent, wrap

Schema = Mapping[str, Any]

_FEW_VALUES = 4


class Explainer:
    """Explains the schemas of one OpenAPI document."""

    def __init__(self, document: Schema) -> None:
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]

    def find(self, group: str, version: str, kind: str) -> Schema | None:
        """The schema of a kind."""
        wanted = {"group": group, "version": version, "kind": kind}
        named = self._schemas.values()
        return next(
            (one for one in named if wanted in (one.get("x-kubernetes-group-version-kind") or ())), None
        )

    def explain(self, schema: Schema, path: list[str], recursive: bool) -> str | None:
        """A schema, or the field that `path` leads to; None when there is no such field."""
        resolved = self._resolve(schema)
        if not path:
            text = "".join(self._descriptions(resolved)) or "<empty>"
            fields = "".join(self._fields(resolved, 1, recursive, frozenset()))
            listed = f"FIELDS:\n{fields}" if fields else ""
            return f"DESCRIPTION:\n{indent(wrap(text, 76), 4)}\n{listed}"
        field = (resolved.get("properties") or {}).get(path[0])
        if field is not None:
            inner = self.explain(field, path[1:], recursive)
            if inner is None or len(path) > 1:
                return inner
            head = f"FIELD: {path[0]} <{self._type(field)}>\n{_all_values(field)}\n\n"
            return head + inner
        for next_schema in _inside(resolved):
            found = self.explain(next_schema, path, recursive)
            if found is not None:
                return found
        return None

    def _resolve(self, schema: Schema) -> Schema:
        name = str(schema.get("$ref") or "").rpartition("/")[2]
        return self._schemas.get(name, schema)

    def _descriptions(self, schema: Schema) -> Iterable[str]:
        """The description, and those of what the schema is made of."""
        resolved = self._resolve(schema)
        if resolved.get("description"):
            yield f"{resolved['description']}\n"
        for part in (*(resolved.get("allOf") or ()), *_contents(resolved)):
            yield from self._descriptions(part)

    def _fields(self, schema: Schema, level: int, recursive: bool, above: frozenset[str]) -> Iterable[str]:
        reference = str(schema.get("$ref") or "")
        if reference in above:
            return
        above = above | {reference} if reference else above
        resolved = self._resolve(schema)
        for name, field in sorted((resolved.get("properties") or {}).items()):
            yield self._field(resolved, name, field, level, recursive)
            if recursive:
                yield from self._fields(field, level + 1, recursive, above)
        for part in (*(resolved.get("allOf") or ()), *_contents(resolved)):
            yield from self._fields(part, level, recursive, above)

    def _field(self, schema: Schema, name: str, field: Schema, level: int, short: bool) -> str:
        mark = " -required-" if name in (schema.get("required") or ()) else ""
        head = f"{indent(name, 2 * level)}\t<{self._type(field)}>{mark}{_some_values(field, 2 * level)}\n"
        if short:
            return head
        text = str(field.get("description") or "<no description>")
        return f"{head}{indent(wrap(text, 78 - 2 * level), 2 * level + 2)}\n\n"

    def _type(self, schema: Schema) -> str:
        """`string`, `[]Container`, `map[string]string`, `Object`…"""
        parts: list[Schema] = list(schema.get("allOf") or ())
        values = schema.get("additionalProperties")
        if schema.get("items"):
            return f"[]{self._type(schema['items'])}"
        if isinstance(values, Mapping):
            return f"map[string]{self._type(values)}"
        if len(parts) == 1 and not schema.get("properties"):
            return self._type(parts[0])
        if schema.get("$ref"):
            target = self._schemas.get(str(schema["$ref"]).rpartition("/")[2])
            if target is None or target.get("type") in (None, "object"):
                return str(schema["$ref"]).rpartition("/")[2].rpartition(".")[2] or "Object"
            return str(target["type"])
        kind = schema.get("type") or "Object"
        return "Object" if kind == "object" else str(kind)


def _contents(schema: Schema) -> Iterable[Schema]:
    """The schema of a list's items or a map's values."""
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield schema[key]


def _inside(schema: Schema) -> Iterable[Schema]:
    """Where to look for a field that the schema itself does not have."""
    found = list(_contents(schema))
    return found[:1] or (schema.get("allOf") or ())


def _value(value: Any) -> str:
    return '""' if value == "" else str(value)


def _all_values(schema: Schema) -> str:
    values = schema.get("enum") or ()
    return "ENUM:" + "".join(f"\n    {_value(value)}" for value in values) if values else ""


def _some_values(schema: Schema, amount: int) -> str:
    values = schema.get("enum") or ()
    if not values:
        return ""
    more = ", ...." if len(values) > _FEW_VALUES else ""
    return f"\n{' ' * amount}enum: {', '.join(map(_value, values[:_FEW_VALUES]))}{more}"
