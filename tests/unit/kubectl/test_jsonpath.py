"""JSONPath templates, with the results of the stock kubectl."""

from __future__ import annotations

import pytest

from podyard.kubectl.errors import CommandError
from podyard.kubectl.jsonpath import JsonPath, relaxed
from podyard.kubectl.jsonpath_parser import JsonPathError
from podyard.kubectl.printers.documents import JsonPathPrinter

LIST = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"x.y/z": "1"}}, "n": 3, "ok": True, "tags": ["p", "q", "r"]},
        {"metadata": {"name": "b", "labels": {"x.y/z": "2"}}, "n": 10, "ok": False, "tags": []},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.kind}", "List"),
        ("{$.kind}", "List"),
        ("kind", "kind"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[-1:].metadata.name}", "b"),
        ("{.items[0:2].n}", "3 10"),
        ("{.items[0].tags[0:3:2]}", "p r"),
        ("{.items[0].tags}", '["p","q","r"]'),
        ("{..name}", "a b"),
        ("{.items[0].metadata.labels.x\\.y/z}", "1"),
        ("{.items[0].metadata.labels['x\\.y/z']}", "1"),
        ("{.items[*]['n','ok']}", "3 10 true false"),
        ("{.items[?(@.n>5)].metadata.name}", "b"),
        ("{.items[?(@.n<=3)].metadata.name}", "a"),
        ('{.items[?(@.metadata.name=="a")].n}', "3"),
        ('{.items[?(@.metadata.name!="a")].n}', "10"),
        ("{.items[?(@.ok==true)].n}", "3"),
        ("{.items[?(@.tags)].n}", "3 10"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.n}{"\\n"}{end}', "a\t3\nb\t10\n"),
        ('{range .nope[*]}{"x"}{end}|', "|"),
        ("{.nope}", ""),
        ("{.items[*].nope.deeper}", ""),
        ("{.items[0].metadata}", '{"labels":{"x.y/z":"1"},"name":"a"}'),
    ],
)
def test_text(template: str, text: str) -> None:
    assert JsonPath(template, allow_missing=True).text(LIST) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{.items", "unclosed action"),
        ("{.items[", "unterminated array"),
        ("{.items[x]}", "invalid array index x"),
        ("{.items[?(@.n>1)}", "unclosed array expect ]"),
        ('{"x}', "unterminated quoted string"),
        ("{.items[7]}", "array index out of bounds: index 7, length 2"),
        ("{.kind[0]}", "string is not array or slice"),
        ("{end}", "not in range, nothing to end"),
        ("{foo}", "unrecognized identifier foo"),
        ('{.items[?(@.n=="3")]}', "incompatible types for comparison"),
    ],
)
def test_problems(template: str, problem: str) -> None:
    with pytest.raises(JsonPathError) as raised:
        JsonPath(template, allow_missing=True).text(LIST)
    assert problem in str(raised.value)


def test_missing_keys_may_be_an_error() -> None:
    with pytest.raises(JsonPathError, match="nope is not found"):
        JsonPath("{.nope}").text(LIST)


@pytest.mark.parametrize("text", ["metadata.name", ".metadata.name", "{.metadata.name}", "{metadata.name}"])
def test_relaxed(text: str) -> None:
    assert relaxed(text) == "{.metadata.name}"


def test_an_error_shows_the_object() -> None:
    with pytest.raises(CommandError) as raised:
        JsonPathPrinter("{.a[5]}")({"a": [1, "x", None, True], "b": {}})
    assert str(raised.value) == (
        'error executing jsonpath "{.a[5]}": Error executing template: array index out of bounds: index 5, '
        "length 4. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{.a[5]}\n"
        "\tobject given to jsonpath engine was:\n\t\tmap[string]interface {}{"
        '"a":[]interface {}{1, "x", interface {}(nil), true}, "b":map[string]interface {}{}}\n\n\n'
    )
