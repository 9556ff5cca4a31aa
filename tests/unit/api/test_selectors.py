"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api import selectors

WEB = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "matches", "canonical"),
    [
        ("", True, ""),
        (" ", True, ""),
        ("app=web", True, "app=web"),
        ("app==web", True, "app==web"),
        ("app = web , tier=front", True, "app=web,tier=front"),
        ("tier=front,app=web", True, "app=web,tier=front"),
        ("app=db", False, "app=db"),
        ("app!=db", True, "app!=db"),
        ("none!=db", True, "none!=db"),
        ("none=", False, "none="),
        ("app=", False, "app="),
        ("app", True, "app"),
        ("none", False, "none"),
        ("!app", False, "!app"),
        ("!none", True, "!none"),
        ("! none", True, "!none"),
        ("app in (web,db)", True, "app in (db,web)"),
        ("app in(db)", False, "app in (db)"),
        ("app notin (db)", True, "app notin (db)"),
        ("none notin (db)", True, "none notin (db)"),
        ("none in ()", False, "none in ()"),
        ("app in (,web)", True, "app in (,web)"),
        ("app in (a,)", False, "app in (,a)"),
        ("in in (in,notin)", False, "in in (in,notin)"),
        ("n>4", True, "n>4"),
        ("n<4", False, "n<4"),
        ("app>4", False, "app>4"),
        ("example.com/x", False, "example.com/x"),
    ],
)
def test_label_selector(text: str, matches: bool, canonical: str) -> None:
    selector = selectors.parse_label_selector(text)
    assert selector.matches(WEB) is matches
    assert str(selector) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b,=)", "unable to parse requirement: found '=', expected: ',', or identifier"),
        ("a=(b)", "unable to parse requirement: found '(', expected: identifier"),
        (
            "n>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the "
            "value must be an integer",
        ),
    ],
)
def test_bad_label_selector(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        selectors.parse_label_selector(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (
            "a/b/c=d",
            'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must consist',
        ),
        (
            "a=-b",
            'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be an empty',
        ),
    ],
)
def test_bad_label(text: str, start: str) -> None:
    with pytest.raises(ValueError) as caught:
        selectors.parse_label_selector(text)
    assert str(caught.value).startswith(start)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {}}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}, False),
    ],
)
def test_label_selector_object(selector: dict[str, Any] | None, matches: bool) -> None:
    assert selectors.from_label_selector(selector).matches(WEB) is matches


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "Is"}, '"Is" is not a valid label selector operator'),
        ({"key": "a", "operator": "In"}, "values set can't be empty"),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, "values set must be empty for exists"),
        ({"key": "", "operator": "Exists"}, "name part must be non-empty"),
    ],
)
def test_bad_label_selector_object(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selectors.from_label_selector({"matchExpressions": [expression]})


def test_selector_of_a_map() -> None:
    assert str(selectors.from_map({"b": "2", "a": "1"})) == "a=1,b=2"
    assert selectors.from_map({"app": "web"}).matches(WEB)
    assert not selectors.from_map({"app": "web"}).matches(None)
    assert selectors.from_map(None).empty
    assert selectors.from_map({}).matches({})
    assert not selectors.NOTHING.empty


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("metadata.name=web", [("metadata.name", "=", "web")]),
        ("metadata.name==web", [("metadata.name", "=", "web")]),
        (
            "status.phase!=Running,spec.nodeName=",
            [("status.phase", "!=", "Running"), ("spec.nodeName", "=", "")],
        ),
        (r"a=x\,y\=z\\", [("a", "=", "x,y=z\\")]),
        (",a=b,", [("a", "=", "b")]),
    ],
)
def test_field_selector(text: str, terms: list[tuple[str, str, str]]) -> None:
    assert selectors.parse_field_selector(text) == terms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web", "invalid selector: 'web'; can't understand 'web'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_bad_field_selector(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        selectors.parse_field_selector(text)
    assert str(caught.value) == message
