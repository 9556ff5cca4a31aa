"""The forms of names, and the ones that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api import names

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
DNS1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
LONG = "must be no more than {} bytes"


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("a", []),
        ("my-name-1", []),
        ("a" * 63, []),
        ("a" * 64, [LONG.format(63)]),
        ("", [LABEL]),
        ("-a", [LABEL]),
        ("A", [LABEL]),
        ("a_b", [LABEL]),
        ("a\n", [LABEL]),
        ("a.b", ["must not contain dots"]),
    ],
)
def test_label(text: str, errors: list[str]) -> None:
    assert names.is_dns1123_label(text) == errors


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("a.b.c", []),
        ("1.2", []),
        ("a" * 253, []),
        ("a" * 254, [LONG.format(253)]),
        ("a..b", [SUBDOMAIN]),
        ("Bad_Name", [SUBDOMAIN]),
        ("é" * 200, [LONG.format(253), SUBDOMAIN]),
    ],
)
def test_subdomain(text: str, errors: list[str]) -> None:
    assert names.is_dns1123_subdomain(text) == errors


@pytest.mark.parametrize(
    ("text", "errors"),
    [("web-1", []), ("1web", [DNS1035]), ("web.a", [DNS1035]), ("a" * 64, [LONG.format(63)])],
)
def test_dns1035(text: str, errors: list[str]) -> None:
    assert names.is_dns1035_label(text) == errors


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("app", []),
        ("app.kubernetes.io/name", []),
        ("A_b-c.d", []),
        ("", ["name part must be non-empty", f"name part {QUALIFIED}"]),
        ("/name", ["prefix part must be non-empty"]),
        ("Pre/name", [f"prefix part {SUBDOMAIN}"]),
        ("a/" + "b" * 64, ["name part must be no more than 63 bytes"]),
        ("app!", [f"name part {QUALIFIED}"]),
        (
            "a/b/c",
            [
                f"a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"
            ],
        ),
    ],
)
def test_qualified(text: str, errors: list[str]) -> None:
    assert names.is_qualified_name(text) == errors


@pytest.mark.parametrize(
    ("text", "errors"), [("", []), ("v1.2_x", []), ("-a", [VALUE]), ("a" * 64, [LONG.format(63)])]
)
def test_label_value(text: str, errors: list[str]) -> None:
    assert names.is_label_value(text) == errors


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("http", []),
        ("h2", []),
        ("a" * 16, ["must be no more than 15 characters"]),
        ("80", ["must contain at least one letter (a-z)"]),
        ("a--b", ["must not contain consecutive hyphens"]),
        ("-a", ["must not begin or end with a hyphen"]),
        (
            "",
            [
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "must contain at least one letter (a-z)",
            ],
        ),
    ],
)
def test_port_name(text: str, errors: list[str]) -> None:
    assert names.is_port_name(text) == errors


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("index.html", []),
        ("", [KEY]),
        ("a/b", [KEY]),
        (".", ["must not be '.'"]),
        ("..", ["must not be '..'"]),
        ("..a", ["must not start with '..'"]),
    ],
)
def test_config_map_key(text: str, errors: list[str]) -> None:
    assert names.is_config_map_key(text) == errors


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.is_wildcard_dns1123_subdomain, "*.example.com", "example.com"),
        (names.is_env_var_name, "my env", "a=b"),
        (names.is_env_var_name, "A", ""),
        (names.is_env_var_name, "A", "é"),
        (names.is_http_header_name, "X-Header", "X Header"),
        (names.is_percent, "25%", "25"),
        (names.is_path_segment_name, "system:node", "a/b"),
        (names.is_path_segment_name, "...", ".."),
        (names.is_port_number, 65535, 0),
    ],
)
def test_other_forms(check: Any, good: Any, bad: Any) -> None:
    assert check(good) == []
    assert len(check(bad)) == 1


def test_random_suffix_has_the_alphabet_of_kubernetes() -> None:
    text = names.random_suffix(2000)
    assert len(text) == 2000
    assert set(text) == set("bcdfghjklmnpqrstvwxz2456789")


def test_generated_names_fit_a_label() -> None:
    assert names.generate_name("web-").startswith("web-")
    assert len(names.generate_name("web-")) == 9
    assert len(names.generate_name("a" * 100)) == 63


TEMPLATE = {
    "metadata": {"labels": {"run": "my-nginx"}},
    "spec": {"containers": [{"name": "a", "image": "nginx"}]},
}


@pytest.mark.parametrize(
    ("template", "collisions", "same"),
    [
        (TEMPLATE, None, True),
        ({"spec": TEMPLATE["spec"], "metadata": TEMPLATE["metadata"]}, None, True),
        ({**TEMPLATE, "other": None}, None, True),
        (TEMPLATE, 0, False),
        (TEMPLATE, 1, False),
        ({"spec": TEMPLATE["spec"]}, None, False),
        ({**TEMPLATE, "spec": {"containers": [{"name": "a", "image": "nginx:1.25"}]}}, None, False),
    ],
)
def test_pod_template_hash(template: dict[str, Any], collisions: int | None, same: bool) -> None:
    found = names.pod_template_hash(template, collisions)
    assert (found == names.pod_template_hash(TEMPLATE)) is same
    assert 1 <= len(found) <= 10
    assert set(found) <= set(names.RANDOM_ALPHABET)


def test_pod_template_hash_is_fnv1a() -> None:
    # FNV-1a of "{}" is 415411262 (0x18c2a83e); each decimal digit maps to a letter.
    expected = "".join(names.RANDOM_ALPHABET[ord(digit) % 27] for digit in str(fnv1a(b"{}")))
    assert names.pod_template_hash({}) == expected


def fnv1a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) % 2**32
    return value
