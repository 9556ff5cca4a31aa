"""Strategic merge patch: a merge patch that knows which lists are keyed.

Directives: `$patch` (replace, delete, merge) in a map or a list element, `$retainKeys`,
`$deleteFromPrimitiveList/NAME` and `$setElementOrder/NAME`. Which lists are merged, and by which key, the
definitions say. Source: k8s.io/apimachinery pkg/util/strategicpatch.
"""

from __future__ import annotations

from typing import Any

from podyard.api.jsonpatch import Object, PatchError, deep_copy
from podyard.api.schema import ListNode, MapNode, Node, Schema, schema_of

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_PREFIX = "$deleteFromPrimitiveList/"
_ORDER_PREFIX = "$setElementOrder/"
_BAD_ORDER = "invalid patch format of setElementOrder list"


def strategic_merge_patch(api_version: str, kind: str, obj: Object, patch: Any) -> Object:
    """Apply a strategic merge patch; a new object that shares nothing with `obj`.

    A kind without definition is merged without keyed lists.
    """
    if not isinstance(patch, dict):
        raise PatchError("invalid JSON document", 400)
    return _merge_map(schema_of(api_version, kind), deep_copy(obj), deep_copy(patch))


def _field(node: Node | None, name: str) -> tuple[Node | None, str, str]:
    """A field's node, list strategy ("merge", "replace" or "") and merge key."""
    if isinstance(node, MapNode):
        return node.values, "", ""
    found = node.fields.get(name) if isinstance(node, Schema) else None
    if found is None:
        return None, "", ""
    strategies = [strategy for strategy in found.patch_strategies if strategy != "retainKeys"]
    return found.node, strategies[0] if strategies else "", found.merge_key


def _merge_map(node: Node | None, original: Object, patch: Object) -> Object:
    """Merge `patch` into `original`, which is changed; both belong to us."""
    if _PATCH in patch:
        return _replace_or_delete(patch)
    _retain_keys(original, patch)
    _merge_ordered_lists(node, original, patch)
    for key, value in patch.items():
        deleting = key.startswith(_DELETE_PREFIX)
        name = key.removeprefix(_DELETE_PREFIX)
        if value is None:
            original.pop(name, None)
            continue
        child, strategy, merge_key = _field(node, name)
        current = original.get(name)
        if deleting:
            _delete_scalars(original, name, value)
        elif isinstance(current, dict) and isinstance(value, dict) and strategy != "replace":
            original[name] = _merge_map(child, current, value)
        elif isinstance(current, list) and isinstance(value, list) and strategy == "merge":
            original[name] = _merge_list(_items(child), current, value, merge_key)
        elif isinstance(current, (dict, list)) and type(current) is type(value):
            original[name] = value
        elif _is_directive(value):
            original.pop(name, None)
        else:
            original[name] = _fresh(value)
    return original


def _replace_or_delete(patch: Object) -> Object:
    directive = patch[_PATCH]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    raise PatchError(f"unknown patch type: {go_value(directive)} in map: {go_value(patch)}")


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and _PATCH in value


def _fresh(value: Any) -> Any:
    """A value that is new in the object: without nulls and without directives."""
    if isinstance(value, dict):
        return {
            key: _fresh(item)
            for key, item in value.items()
            if item is not None and not _is_directive(item) and not _is_directive_key(key)
        }
    if isinstance(value, list):
        return [_fresh(item) for item in value if not _is_directive(item)]
    return value


def _is_directive_key(key: str) -> bool:
    return key == _RETAIN_KEYS or key.startswith((_DELETE_PREFIX, _ORDER_PREFIX))


def _retain_keys(original: Object, patch: Object) -> None:
    """Drop every field that `$retainKeys` does not name; used where fields exclude each other."""
    if _RETAIN_KEYS not in patch:
        return
    kept = patch.pop(_RETAIN_KEYS)
    if not isinstance(kept, list):
        raise PatchError("invalid patch format of retainKeys", 400)
    for key, value in patch.items():
        if value is not None and not _is_directive_key(key) and key not in kept:
            raise PatchError("invalid patch format of retainKeys", 400)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _delete_scalars(original: Object, name: str, values: Any) -> None:
    if not isinstance(values, list):
        raise PatchError("invalid patch format of primitive list", 400)
    if isinstance(original.get(name), list):
        original[name] = [item for item in original[name] if item not in values]


def _items(node: Node | None) -> Node | None:
    return node.items if isinstance(node, ListNode) else None


def _of_maps(*lists: list[Any]) -> bool:
    """Whether lists hold maps rather than scalars; they must all hold the same."""
    items = [item for one in lists for item in one]
    if any(isinstance(item, list) for item in items):
        raise PatchError("lists of lists are not supported")
    if len({type(item) for item in items}) > 1:
        raise PatchError(f"list element types are not identical: {go_value(list(lists))}")
    return bool(items) and isinstance(items[0], dict)


def _key_of(item: Any, merge_key: str) -> Any:
    """What identifies a list element: its merge key's value, or a scalar itself."""
    key = item
    if merge_key:
        if not isinstance(item, dict):
            raise PatchError(f"expected a map[string]interface {{}}, but received a {go_type(item)}")
        if merge_key not in item:
            raise PatchError(f"map: {go_value(item)} does not contain declared merge key: {merge_key}")
        key = item[merge_key]
    if isinstance(key, (dict, list)):
        raise PatchError(f"expected a string, but received a {go_type(key)}")
    return key


def _merge_list(node: Node | None, original: list[Any], patch: list[Any], merge_key: str) -> list[Any]:
    """Merge a list by its merge key, or, of scalars, as a set."""
    if not original and not patch:
        return original
    if not _of_maps(original, patch):
        merged = list(dict.fromkeys([*original, *patch]))
        return _in_order(merged, patch, original, "")
    if not merge_key:
        raise PatchError("cannot merge lists without merge key for type struct")
    original, patch = _apply_element_directives(original, patch, merge_key)
    merged = list(original)
    for item in patch:
        wanted = _key_of(item, merge_key)
        at = next((i for i, have in enumerate(merged) if have.get(merge_key) == wanted), None)
        if at is None:
            merged.append(_fresh(item))
        else:
            merged[at] = _merge_map(node, merged[at], item)
    return _in_order(merged, patch, original, merge_key)


def _apply_element_directives(
    original: list[Any], patch: list[Any], merge_key: str
) -> tuple[list[Any], list[Any]]:
    """Carry out `$patch: delete` and `$patch: replace` elements; what is left of both lists."""
    plain = []
    replace = False
    for item in patch:
        directive = item.get(_PATCH)
        if _PATCH not in item:
            plain.append(item)
        elif directive == "delete":
            gone = _key_of(item, merge_key)
            original = [have for have in original if have.get(merge_key) != gone]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise PatchError("merging lists cannot yet be specified in the patch")
        else:
            raise PatchError(f"unknown patch type: {go_value(directive)} in map: {go_value(item)}")
    return (_fresh(plain), []) if replace else (original, plain)


def _in_order(merged: list[Any], wanted: list[Any], live: list[Any], merge_key: str) -> list[Any]:
    """Put merged elements in order: those in `wanted` as there, the others between them as in `live`."""
    wanted_at = _positions(wanted, merge_key)
    live_at = _positions(live, merge_key)

    def wanted_place(item: Any) -> int:
        return wanted_at[_key_of(item, merge_key)]

    def live_place(item: Any) -> int:
        return live_at.get(_key_of(item, merge_key), len(live))

    named = sorted((item for item in merged if _key_of(item, merge_key) in wanted_at), key=wanted_place)
    others = sorted((item for item in merged if _key_of(item, merge_key) not in wanted_at), key=live_place)
    result = []
    for item in others:
        while named and not (
            _key_of(named[0], merge_key) in live_at and live_place(item) < live_place(named[0])
        ):
            result.append(named.pop(0))
        result.append(item)
    return result + named


def _positions(items: list[Any], merge_key: str) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for position, item in enumerate(items):
        found.setdefault(_key_of(item, merge_key), position)
    return found


def _merge_ordered_lists(node: Node | None, original: Object, patch: Object) -> None:
    """Merge each list that has a `$setElementOrder/NAME` and order it so; takes both out of the patch."""
    for key in [key for key in patch if key.startswith(_ORDER_PREFIX)]:
        name, order = key.removeprefix(_ORDER_PREFIX), patch.pop(key)
        child, strategy, merge_key = _field(node, name)
        current, changes = original.get(name), patch.get(name)
        for value in (order, current if name in original else [], changes if name in patch else []):
            if not isinstance(value, list):
                raise PatchError(_BAD_ORDER, 400)
        if name in patch:
            _check_order(patch.pop(name), order, merge_key)
            if name not in original:
                merged = _fresh(changes)
            elif strategy == "merge":
                merged = _merge_list(_items(child), list(current or ()), list(changes or ()), merge_key)
            else:
                merged = changes
        elif name in original:
            merged = current
        else:
            continue
        original[name] = _in_order(merged, order, current or [], merge_key)


def _check_order(changes: list[Any], order: list[Any], merge_key: str) -> None:
    """The elements of a patch must stand in `$setElementOrder`, in the same order."""
    if not changes or not order:
        return
    waiting = [_key_of(item, merge_key) for item in changes if not _is_directive(item)]
    for key in (_key_of(item, merge_key) for item in order):
        if waiting and waiting[0] == key:
            waiting.pop(0)
    if waiting:
        raise PatchError(
            f"The order in patch list:\n{go_value(changes)}\n doesn't match $setElementOrder list:\n"
            f"{go_value(order)}\n"
        )


def go_type(value: Any) -> str:
    """The Go type that JSON of this shape decodes to, for messages."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    names = {str: "string", bool: "bool", int: "int64", float: "float64"}
    return names.get(type(value), "%!s(<nil>)")


def go_value(value: Any) -> str:
    """A value as Go's %v prints it, for messages."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_value(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_value, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
