"""Whether an object fits its kind: types, unknown fields, and the form in which it is stored.

A definition is compiled on first use into nodes. `check` first asks the nodes whether all is well,
which costs a few microseconds; only an object with a fault is walked again to say what is wrong
and where, in the words of kube-apiserver (encoding/json, sigs.k8s.io/json strict decoding).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from podyard.api.definitions import REF_PREFIX, definition_name
from podyard.api.definitions import definitions as definitions
from podyard.api.scalars import BY_DEFINITION, BY_TYPE, MISMATCH, Scalar, json_type


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with an object.

    `errors` are decode errors; kube-apiserver stops at the first and answers 400 with it.
    `unknown` are fields that the kind does not have, as 'unknown field "spec.foo"', for field
    validation to refuse, warn about or ignore.
    """

    errors: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class ListNode:
    """A list of values of one type."""

    zero = None

    def __init__(self, items: Node) -> None:
        self.items = items
        self.go_type: str = f"[]{items.go_type}"

    def fits(self, value: Any) -> bool:
        """Whether nothing is wrong and nothing has to be cleaned."""
        return type(value) is list and all(map(self.items.fits, value))


class MapNode:
    """A map from any text to values of one type, such as labels."""

    zero = None

    def __init__(self, values: Node) -> None:
        self.values = values
        self.go_type: str = f"map[string]{values.go_type}"

    def fits(self, value: Any) -> bool:
        """Whether nothing is wrong and nothing has to be cleaned."""
        return type(value) is dict and all(map(self.values.fits, value.values()))


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of a struct, and how a strategic merge patch treats it."""

    node: Node
    patch_strategies: tuple[str, ...]
    merge_key: str


class Schema:
    """A definition with fields: a kind, or a part of one. `name` is its short name ("PodSpec")."""

    def __init__(self, definition: str) -> None:
        self.definition = definition
        version, self.name = definition.rsplit(".", 2)[1:]
        self.go_type: str = f"{version}.{self.name}"
        self._fields: dict[str, Field] | None = None
        self._checks: dict[str, Callable[[Any], bool]] = {}

    @property
    def zero(self) -> Any:
        """What null in a list or map of these becomes."""
        return {}

    @property
    def fields(self) -> dict[str, Field]:
        """Its fields by name; compiled when first asked for."""
        if self._fields is None:
            properties = definitions()[self.definition].get("properties", {})
            self._fields = {name: _field(schema) for name, schema in properties.items()}
            self._checks = {name: found.node.fits for name, found in self._fields.items()}
        return self._fields

    def fits(self, value: Any) -> bool:
        """Whether nothing is wrong and nothing has to be cleaned."""
        if type(value) is not dict:
            return False
        if self._fields is None:
            self.fields  # noqa: B018 - compiles
        checks = self._checks
        for key, item in value.items():
            check = checks.get(key)
            if check is None or not check(item):
                return False
        return True


Node = Scalar | ListNode | MapNode | Schema


def _field(schema: dict[str, Any]) -> Field:
    strategy = schema.get("x-kubernetes-patch-strategy", "")
    return Field(
        _node(schema),
        tuple(strategy.split(",")) if strategy else (),
        schema.get("x-kubernetes-patch-merge-key", ""),
    )


def _node(schema: dict[str, Any]) -> Node:
    if "$ref" in schema:
        return _definition(schema["$ref"].removeprefix(REF_PREFIX))
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "array":
        return ListNode(_node(schema["items"]))
    if kind == "object":
        return MapNode(_node(schema["additionalProperties"]))
    return BY_TYPE[kind, schema.get("format")]


@cache
def _definition(name: str) -> Node:
    return BY_DEFINITION.get(name) or Schema(name)


def schema_of(api_version: str, kind: str) -> Schema | None:
    """The schema of a kind, or None for a kind without definition."""
    name = definition_name(api_version, kind)
    node = _definition(name) if name else None
    return node if isinstance(node, Schema) else None


def check(api_version: str, kind: str, obj: Any) -> Checked:
    """What is wrong with an object of a kind; nothing for a kind without definition."""
    schema = schema_of(api_version, kind)
    found = Checked()
    if schema is not None and not schema.fits(obj):
        _Walk(found).visit(schema, obj, "", (), "")
    return found


def prune(api_version: str, kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    """The object as Kubernetes would store it; may share parts with `obj`, which stays as it is.

    Unknown fields and nulls are dropped, quantities and times get their canonical form. Wrongly
    typed values are left as they are: `check` first.
    """
    schema = schema_of(api_version, kind)
    if schema is None or schema.fits(obj):
        return obj
    cleaned: dict[str, Any] = _clean(schema, obj)
    return cleaned


class _Walk:
    """Collects faults. `path` has list indices; `stack` has not, as encoding/json's field names."""

    def __init__(self, found: Checked) -> None:
        self.found = found

    def visit(self, node: Node, value: Any, path: str, stack: tuple[str, ...], struct: str) -> None:
        if value is None or node.fits(value):
            return
        match node:
            case Schema() if isinstance(value, dict):
                for key, item in value.items():
                    place = f"{path}.{key}" if path else key
                    known = node.fields.get(key)
                    if known is None:
                        self.found.unknown.append(f'unknown field "{place}"')
                    else:
                        self.visit(known.node, item, place, (*stack, key), node.name)
            case ListNode() if isinstance(value, list):
                for index, item in enumerate(value):
                    self.visit(node.items, item, f"{path}[{index}]", stack, struct)
            case MapNode() if isinstance(value, dict):
                for key, item in value.items():
                    self.visit(node.values, item, f"{path}.{key}", stack, struct)
            case Scalar():
                fault = node.fault(value)
                if fault:
                    self.found.errors.append(
                        self.mismatch(node, value, stack, struct) if fault is MISMATCH else fault
                    )
            case _:
                self.found.errors.append(self.mismatch(node, value, stack, struct))

    @staticmethod
    def mismatch(node: Node, value: Any, stack: tuple[str, ...], struct: str) -> str:
        shown = json_type(value)
        if shown == "number" and node.go_type.startswith("int"):
            shown = f"number {value}"
        target = f"struct field {struct}.{'.'.join(stack)}" if struct else "value"
        return f"json: cannot unmarshal {shown} into Go {target} of type {node.go_type}"


def _clean(node: Node, value: Any) -> Any:
    if node.fits(value):
        return value
    match node:
        case Schema() if isinstance(value, dict):
            fields = node.fields
            return {
                key: _clean(fields[key].node, item)
                for key, item in value.items()
                if item is not None and key in fields
            }
        case ListNode() if isinstance(value, list):
            return [_clean_item(node.items, item) for item in value]
        case MapNode() if isinstance(value, dict):
            return {key: _clean_item(node.values, item) for key, item in value.items()}
        case Scalar() if node.fault(value) is None:
            return node.clean(value)
    return value


def _clean_item(node: Node, item: Any) -> Any:
    # Go decodes null in a list or map as the zero value.
    return node.zero if item is None else _clean(node, item)
