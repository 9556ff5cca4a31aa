"""YAML is read as the stock kubectl reads it."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubectl import yamltext


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!binary aGVsbG8=", "hello"),
        ("!!binary |\n  aGVs\n  bG8=\n", "hello"),
        ("!!binary ''", ""),
        ("!!timestamp 2001-01-01", "2001-01-01"),
        ("!!timestamp '2001-01-01T00:00:00Z'", "2001-01-01T00:00:00Z"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!set [a]", ["a"]),
        ("!!omap [a: 1]", [{"a": 1}]),
        ("!!map [a]", ["a"]),
        ("!!str [a]", ["a"]),
        ("!!str 5", "5"),
        ("! '5'", "5"),
        ("!!int '5'", 5),
        ("!!float 1", 1),
        ("!!bool yes", True),
        ("!!null ''", None),
        ("!local bar", "bar"),
        ("!local {a: b}", {"a": "b"}),
        ("!!python/object:os.system x", "x"),
        ("9223372036854775807", 2**63 - 1),
        ("99999999999999999999", 1e20),
        ("1e400", "1e400"),
        ("{1: a, 1e3: b, 1.5: c, yes: d, 2001-01-01: e, .inf: f}",
         {"1": "a", "1000": "b", "1.5": "c", "true": "d", "2001-01-01": "e", ".inf": "f"}),
        ("{<<: {a: b}, a: c}", {"a": "c"}),
        ("{a: c, <<: {a: b}}", {"a": "b"}),
        ("{<<: [{a: b}, {a: d, e: f}]}", {"a": "b", "e": "f"}),
        ("{<<: {<<: {a: b, e: f}, a: c}, a: d}", {"a": "d", "e": "f"}),
        ("{d: &d {a: b}, e: {<<: *d, a: c}, f: *d}", {"d": {"a": "b"}, "e": {"a": "c"}, "f": {"a": "b"}}),
        ("[<<, '<<']", ["<<", "<<"]),
        ("{'<<': {a: b}}", {"<<": {"a": "b"}}),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    found = yamltext.load(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n  !!binary '&&&'", "yaml: line 2: !!binary value contains invalid base64 data"),
        ("!!binary aGVsbG8", "yaml: line 1: !!binary value contains invalid base64 data"),
        ("!!binary 'aGVs bG8='", "yaml: line 1: !!binary value contains invalid base64 data"),
        ("!!int foo", "yaml: line 1: cannot decode `foo` as a !!int"),
        ("!!int yes", "yaml: line 1: cannot decode `yes` as a !!int"),
        ("!!bool foo", "yaml: line 1: cannot decode `foo` as a !!bool"),
        ("!!float foo", "yaml: line 1: cannot decode `foo` as a !!float"),
        ("!!null foo", "yaml: line 1: cannot decode `foo` as a !!null"),
        ("!!timestamp foo", "yaml: line 1: cannot decode `foo` as a !!timestamp"),
        ("[.inf]", "yaml: line 1: unsupported value: .inf"),
        ("[!!float -.Inf]", "yaml: line 1: unsupported value: -.Inf"),
        ("{a: .nan}", "yaml: line 1: unsupported value: .nan"),
        ("{null: a}", "yaml: line 1: invalid map key: it must be a string, a number or a boolean"),
        ("{[a]: b}", "yaml: line 1: invalid map key: it must be a string, a number or a boolean"),
        ("{a: b, a: c}", 'yaml: unmarshal errors:\n  line 1: key "a" already set in map'),
        ("{<<: [a]}", "yaml: line 1: map merge requires map or sequence of maps as the value"),
        ("&a [*a]", "yaml: line 1: found unconstructable recursive node"),
        ("a: \0", "yaml: control characters are not allowed"),
        ("[" * 600 + "]" * 600, "yaml: exceeded maximum nesting depth"),
    ],
)  # fmt: skip
def test_problems(text: str, problem: str) -> None:
    with pytest.raises(yamltext.YAMLError) as raised:
        yamltext.load(text)
    assert yamltext.problem(raised.value) == problem
