"""JSON patch and merge patch. Most cases are the RFCs' own examples."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podyard.api.patch import PatchError, json_patch, merge_patch


def op(kind: str, path: str, *value: Any, **more: Any) -> dict[str, Any]:
    return {"op": kind, "path": path, **({"value": value[0]} if value else {}), **more}


@pytest.mark.parametrize(
    ("obj", "operations", "result"),
    [
        ({"a": 1}, [], {"a": 1}),
        # RFC 6902, appendix A
        ({"foo": "bar"}, [op("add", "/baz", "qux")], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar", "baz"]}, [op("add", "/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [op("replace", "/baz", "boo")], {"baz": "boo"}),
        (
            {"foo": {"bar": 1, "waldo": 2}, "qux": {}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": 1}, "qux": {"thud": 2}},
        ),
        ({"foo": [1, 2, 3]}, [{"op": "move", "from": "/foo/0", "path": "/foo/2"}], {"foo": [2, 3, 1]}),
        (
            {"foo": "bar"},
            [op("test", "/foo", "bar"), op("add", "/child", {"a": {}})],
            {"foo": "bar", "child": {"a": {}}},
        ),
        ({"foo": ["bar"]}, [op("add", "/foo/-", ["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
        ({"/": 9, "~1": 10}, [op("test", "/~01", 10), op("remove", "/~1")], {"~1": 10}),
        # beyond it
        (
            {"a": {"b": [1]}},
            [{"op": "copy", "from": "/a", "path": "/c"}, op("add", "/c/b/0", 0)],
            {"a": {"b": [1]}, "c": {"b": [0, 1]}},
        ),
        ({"a": [1, 2]}, [op("replace", "/a/-1", 3), op("add", "/a/-1", 4)], {"a": [1, 3, 4]}),
        ({"a": 1}, [op("test", "/b"), op("test", "", {"a": 1})], {"a": 1}),
        ({"a": 1}, [op("add", "/b")], {"a": 1, "b": None}),
        ({"a": {}}, [op("replace", "/a/b", 2)], {"a": {"b": 2}}),
        ({"a": 1}, [{"op": "copy", "from": "/x", "path": "/b"}], {"a": 1, "b": None}),
        (
            {"metadata": {"annotations": {}}},
            [op("add", "/metadata/annotations/a~1b", "c")],
            {"metadata": {"annotations": {"a/b": "c"}}},
        ),
    ],
)
def test_json_patch(obj: dict[str, Any], operations: list[Any], result: dict[str, Any]) -> None:
    before = copy.deepcopy((obj, operations))
    assert json_patch(obj, operations) == result
    assert (obj, operations) == before


@pytest.mark.parametrize(
    ("operations", "message", "code"),
    [
        ({"op": "add"}, "json: cannot unmarshal into Go value of type jsonpatch.Patch", 400),
        (["add"], "json: cannot unmarshal into Go value of type jsonpatch.Patch", 400),
        ([op("change", "/a", 1)], "Unexpected kind: change", 422),
        ([{"path": "/a"}], "Unexpected kind: unknown", 422),
        ([{"op": "add", "value": 1}], "add operation failed to decode path: missing value", 422),
        ([op("test", "/a", 2)], "testing value /a failed: test failed", 422),
        ([op("test", "/a", True)], "testing value /a failed: test failed", 422),
        ([op("test", "/m", {"b": [True]})], "testing value /m failed: test failed", 422),
        ([op("test", "/x", 2)], "testing value /x failed: test failed", 422),
        ([op("test", "/x/y", 2)], "test operation does not apply: is missing path: /x/y: missing value", 422),
        (
            [op("remove", "/x")],
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
            422,
        ),
        (
            [op("remove", "/x/y")],
            'remove operation does not apply: doc is missing path: "/x/y": missing value',
            422,
        ),
        (
            [op("replace", "/l/5", 1)],
            "replace operation does not apply: doc is missing key: /l/5: missing value",
            422,
        ),
        (
            [{"op": "move", "from": "/x", "path": "/z"}],
            "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
            422,
        ),
        (
            [op("replace", "", {})],
            "replace operation does not apply: doc is missing path: : missing value",
            422,
        ),
        (
            [op("add", "/a/b", 1)],
            'add operation does not apply: doc is missing path: "/a/b": missing value',
            422,
        ),
        (
            [op("add", "/l/5", 1)],
            "error in add for path: '/l/5': Unable to access invalid index: 5: invalid index referenced",
            422,
        ),
        (
            [op("add", "/l/x", 1)],
            "error in add for path: '/l/x': value was not a proper array index: 'x'",
            422,
        ),
        (
            [op("remove", "/l/-2")],
            "error in remove for path: '/l/-2': Unable to access invalid index: -2: invalid index referenced",
            422,
        ),
        (
            [{"op": "move", "from": "/x/y", "path": "/z"}],
            "move operation does not apply: doc is missing from path: /x/y: missing value",
            422,
        ),
        (
            [{"op": "copy", "from": "/a", "path": "/x/z"}],
            "copy operation does not apply: doc is missing destination path: /x/z: missing value",
            422,
        ),
    ],
)
def test_json_patch_that_does_not_apply(operations: Any, message: str, code: int) -> None:
    obj = {"a": 1, "l": [1], "m": {"b": [1]}}
    with pytest.raises(PatchError) as caught:
        json_patch(obj, operations)
    assert (str(caught.value), caught.value.code) == (message, code)
    assert obj == {"a": 1, "l": [1], "m": {"b": [1]}}


@pytest.mark.parametrize(
    ("obj", "patch", "result"),
    [
        # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
    ],
)
def test_merge_patch(obj: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    before = copy.deepcopy((obj, patch))
    assert merge_patch(obj, patch) == result
    assert (obj, patch) == before


@pytest.mark.parametrize("patch", [[], "a", None, 1])
def test_merge_patch_must_be_an_object(patch: Any) -> None:
    with pytest.raises(PatchError, match="invalid JSON Patch") as caught:
        merge_patch({"a": 1}, patch)
    assert caught.value.code == 400


def test_results_share_nothing_with_the_object() -> None:
    obj: dict[str, Any] = {"a": {"b": []}}
    merge_patch(obj, {"c": 1})["a"]["b"].append(1)
    json_patch(obj, [])["a"]["b"].append(1)
    assert obj == {"a": {"b": []}}
