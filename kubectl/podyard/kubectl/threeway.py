"""The patch that `kubectl apply` sends: from what was applied last, what is wanted, and what is there.

Fields that are wanted and differ are set, fields that were applied last and are not wanted any more
are removed, and all others are left alone. Lists with a merge key are compared item by item.
Source: k8s.io/apimachinery pkg/util/strategicpatch CreateThreeWayMergePatch, pkg/util/jsonmergepatch.
"""

from __future__ import annotations

from typing import Any

from podyard.api.schema import ListNode, MapNode, Node, Schema, schema_of

Object = dict[str, Any]

_ABSENT = object()


def strategic_patch(
    api_version: str, kind: str, original: Object, modified: Object, now: Object
) -> Object | None:
    """A strategic merge patch, {} when nothing is to do; None for a kind without published definition."""
    node = schema_of(api_version, kind)
    return None if node is None else _maps(node, original, modified, now)


def merge_patch(original: Object, modified: Object, now: Object) -> Object:
    """A JSON merge patch, for kinds that nobody published a definition of."""
    patch: Object = {}
    for key, value in modified.items():
        have, was = now.get(key, _ABSENT), original.get(key, _ABSENT)
        if isinstance(value, dict) and isinstance(have, dict):
            inner = merge_patch(was if isinstance(was, dict) else {}, value, have)
            if inner:
                patch[key] = inner
        elif value is None:
            if have is not _ABSENT:
                patch[key] = None
        elif not _same(value, have):
            patch[key] = value
    patch |= {key: None for key in original if key not in modified and key in now}
    return patch


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; unlike Python's, a boolean is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _maps(node: Node | None, original: Object, modified: Object, now: Object) -> Object:
    patch: Object = {}
    for key, value in modified.items():
        child, strategies, merge_key = _field(node, key)
        have, was = now.get(key, _ABSENT), original.get(key, _ABSENT)
        if value is None:
            if have is not _ABSENT:
                patch[key] = None
        elif isinstance(value, dict) and isinstance(have, dict) and "replace" not in strategies:
            inner = _maps(child, was if isinstance(was, dict) else {}, value, have)
            if inner and "retainKeys" in strategies:
                inner["$retainKeys"] = sorted(value)
            if inner:
                patch[key] = inner
        elif isinstance(value, list) and isinstance(have, list) and "merge" in strategies:
            patch |= _lists(
                key, child, merge_key, was if isinstance(was, list) else [], value, have, strategies
            )
        elif not _same(value, have):
            patch[key] = value
    patch |= {key: None for key in original if key not in modified and key in now}
    return patch


def _field(node: Node | None, name: str) -> tuple[Node | None, tuple[str, ...], str]:
    """A field's node, its patch strategies and its merge key."""
    if isinstance(node, MapNode):
        return node.values, (), ""
    found = node.fields.get(name) if isinstance(node, Schema) else None
    return (found.node, found.patch_strategies, found.merge_key) if found else (None, (), "")


def _lists(
    key: str,
    child: Node | None,
    merge_key: str,
    was: list[Any],
    wanted: list[Any],
    have: list[Any],
    strategies: tuple[str, ...],
) -> Object:
    """What a patch says of a list that is merged."""
    if not merge_key:
        return _scalars(key, was, wanted, have)
    try:
        before, after, now = (_by_key(items, merge_key) for items in (was, wanted, have))
    except (KeyError, TypeError):  # an item without its key: the list can only be replaced
        return {} if _same(wanted, have) else {key: [*wanted, {"$patch": "replace"}]}
    node = child.items if isinstance(child, ListNode) else None
    items: list[Object] = []
    for name, item in after.items():
        if name not in now:
            items.append(item)
            continue
        inner = _maps(node, before.get(name, {}), item, now[name])
        if inner and "retainKeys" in strategies:
            inner["$retainKeys"] = sorted(item)
        if inner:
            items.append({**inner, merge_key: name})
    items += [{"$patch": "delete", merge_key: name} for name in before if name not in after and name in now]
    order_now = [name for name in now if name in after]
    order_wanted = [name for name in after if name in now]
    if not items and order_now == order_wanted:
        return {}
    order = {f"$setElementOrder/{key}": [{merge_key: name} for name in after]}
    return {**order, key: items} if items else order


def _by_key(items: list[Any], merge_key: str) -> dict[Any, Object]:
    return {item[merge_key]: item for item in items}


def _scalars(key: str, was: list[Any], wanted: list[Any], have: list[Any]) -> Object:
    """A list of scalars that is merged as a set, such as finalizers."""
    added = [item for item in wanted if item not in have]
    gone = [item for item in was if item not in wanted and item in have]
    patch: Object = {}
    if added or gone:
        patch[f"$setElementOrder/{key}"] = list(wanted)
    if added:
        patch[key] = added
    if gone:
        patch[f"$deleteFromPrimitiveList/{key}"] = gone
    return patch
