"""JSON patch (RFC 6902) and merge patch (RFC 7386).

Messages are those of the library in kube-apiserver, evanphx/json-patch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

Object = dict[str, Any]


class PatchError(ValueError):
    """A patch that cannot be applied. `code`: 400 when it is malformed, 422 when it does not fit."""

    def __init__(self, message: str, code: int = 422) -> None:
        super().__init__(message)
        self.code = code


def deep_copy(value: Any) -> Any:
    """A copy of decoded JSON; several times faster than copy.deepcopy."""
    return orjson.loads(orjson.dumps(value))


def merge_patch(obj: Object, patch: Any) -> Object:
    """Apply a JSON merge patch (RFC 7386): null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        raise PatchError("invalid JSON Patch", 400)
    merged: Object = _merge(deep_copy(obj), deep_copy(patch))
    return merged


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = _merge(target.get(key), value)
    return target


def json_patch(obj: Object, operations: Any) -> Object:
    """Apply a JSON patch (RFC 6902), whole or not at all.

    As in Kubernetes, negative indices count from the end of a list, and the whole document cannot
    be replaced.
    """
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise PatchError("json: cannot unmarshal into Go value of type jsonpatch.Patch", 400)
    document: Object = deep_copy(obj)
    for operation in operations:
        kind = operation.get("op")
        apply = _OPERATIONS.get(kind) if isinstance(kind, str) else None
        if apply is None:
            raise PatchError(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")
        apply(document, operation)
    return document


def _path(operation: Object, field: str = "path") -> str:
    path = operation.get(field)
    if not isinstance(path, str):
        raise PatchError(f"{operation['op']} operation failed to decode path: missing value")
    return path


def _parent(document: Object, path: str) -> tuple[Any, str]:
    """The object or list that holds the last step of a path (None when there is none), and that step."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]
    if len(steps) < 2:
        return None, ""
    holder: Any = document
    for step in steps[1:-1]:
        try:
            holder = _get(holder, step)
        except PatchError:
            return None, ""
        if not isinstance(holder, (dict, list)):
            return None, ""
    return holder, steps[-1]


def _index(key: str, length: int) -> int:
    if not re.fullmatch(r"[+-]?\d+", key, re.ASCII):
        raise PatchError(f"value was not a proper array index: '{key}'")
    index = int(key)
    if not -length <= index < length:
        raise PatchError(f"Unable to access invalid index: {index}: invalid index referenced")
    return index + length if index < 0 else index


def _get(holder: Any, key: str) -> Any:
    """A missing key is null, as in kube-apiserver: fields that are not set are not in objects."""
    if isinstance(holder, list):
        return holder[_index(key, len(holder))]
    return holder.get(key)


def _insert(holder: Any, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    elif key == "-":
        holder.append(value)
    else:
        holder.insert(_index(key, len(holder) + 1), value)


def _delete(holder: Any, key: str) -> None:
    if isinstance(holder, list):
        del holder[_index(key, len(holder))]
    elif key not in holder:
        raise PatchError(f"Unable to remove nonexistent key: {key}: missing value")
    else:
        del holder[key]


def _within(context: str, step: Callable[..., Any], *args: Any) -> Any:
    try:
        return step(*args)
    except PatchError as error:
        raise PatchError(f"{context}: {error}") from None


def _add(document: Object, operation: Object) -> None:
    path = _path(operation)
    holder, key = _parent(document, path)
    if holder is None:
        raise PatchError(f'add operation does not apply: doc is missing path: "{path}": missing value')
    _within(f"error in add for path: '{path}'", _insert, holder, key, deep_copy(operation.get("value")))


def _remove(document: Object, operation: Object) -> None:
    path = _path(operation)
    holder, key = _parent(document, path)
    if holder is None:
        raise PatchError(f'remove operation does not apply: doc is missing path: "{path}": missing value')
    _within(f"error in remove for path: '{path}'", _delete, holder, key)


def _replace(document: Object, operation: Object) -> None:
    path = _path(operation)
    holder, key = _parent(document, path)
    if holder is None:
        raise PatchError(f"replace operation does not apply: doc is missing path: {path}: missing value")
    value = deep_copy(operation.get("value"))
    if isinstance(holder, dict):
        holder[key] = value
        return
    try:
        holder[_index(key, len(holder))] = value
    except PatchError:
        raise PatchError(
            f"replace operation does not apply: doc is missing key: {path}: missing value"
        ) from None


def _move(document: Object, operation: Object) -> None:
    source = _path(operation, "from")
    holder, key = _parent(document, source)
    if holder is None:
        raise PatchError(f"move operation does not apply: doc is missing from path: {source}: missing value")
    value = _within(f"error in move for path: '{key}'", _get, holder, key)
    _within(f"error in move for path: '{key}'", _delete, holder, key)
    _place(document, operation, value)


def _copy(document: Object, operation: Object) -> None:
    source = _path(operation, "from")
    holder, key = _parent(document, source)
    if holder is None:
        raise PatchError(f"copy operation does not apply: doc is missing from path: {source}: missing value")
    _place(document, operation, deep_copy(_within(f"error in copy for from: '{source}'", _get, holder, key)))


def _place(document: Object, operation: Object, value: Any) -> None:
    path, kind = _path(operation), operation["op"]
    holder, key = _parent(document, path)
    if holder is None:
        raise PatchError(
            f"{kind} operation does not apply: doc is missing destination path: {path}: missing value"
        )
    _within(f"error in {kind} for path: '{path}'", _insert, holder, key, value)


def _test(document: Object, operation: Object) -> None:
    path, wanted = _path(operation), operation.get("value")
    if path == "":
        found: Any = document
    else:
        holder, key = _parent(document, path)
        if holder is None:
            raise PatchError(f"test operation does not apply: is missing path: {path}: missing value")
        found = _within(f"error in test for path: '{path}'", _get, holder, key)
    if not _equal(found, wanted):
        raise PatchError(f"testing value {path} failed: test failed")


def _equal(one: Any, other: Any) -> bool:
    # Python takes True for 1; JSON does not.
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


_OPERATIONS: dict[str, Callable[[Object, Object], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
