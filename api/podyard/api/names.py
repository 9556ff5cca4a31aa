"""Names: the forms that Kubernetes allows for them, and the ones it makes up.

Every `is_…` function returns what is wrong, in Kubernetes' words; an empty list means that the
text is well formed. Lengths are counted in bytes. Source: k8s.io/apimachinery
pkg/api/validate/content and pkg/util/validation.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

RANDOM_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of made-up names: no vowels and no look-alikes, so that no words come out."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_WILDCARD = r"\*\." + _SUBDOMAIN
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"

_EDGES = "must start and end with an alphanumeric character"
_LABEL_MESSAGE = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_EDGES}"
)
_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    + _EDGES
)
_WILDCARD_MESSAGE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
    "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_DNS1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_QUALIFIED_MESSAGE = f"must consist of alphanumeric characters, '-', '_' or '.', and {_EDGES}"
_LABEL_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    + _EDGES
)


def max_length_error(length: int) -> str:
    """What Kubernetes says of a text that is too long."""
    return f"must be no more than {length} bytes"


def regex_error(message: str, pattern: str, *examples: str) -> str:
    """What Kubernetes says of a text that does not fit a pattern."""
    # Two spaces before "or", as Kubernetes has it.
    shown = "  or ".join(f"'{example}'," for example in examples)
    start = f"e.g. {shown} " if shown else ""
    return f"{message} ({start}regex used for validation is '{pattern}')"


def _check(text: str, length: int, pattern: str, message: str, *examples: str) -> list[str]:
    errors = []
    if _too_long(text, length):
        errors.append(max_length_error(length))
    if not re.fullmatch(pattern, text):
        errors.append(regex_error(message, pattern, *examples))
    return errors


def _too_long(text: str, length: int) -> bool:
    return len(text) > length or len(text.encode("utf-8", "surrogatepass")) > length


def is_dns1123_label(text: str) -> list[str]:
    """A label of a lower-case DNS name (RFC 1123), at most 63 bytes: "my-name"."""
    errors = _check(text, 63, _LABEL, _LABEL_MESSAGE, "my-name", "123-abc")
    if errors and re.fullmatch(_SUBDOMAIN, text) and not re.fullmatch(_LABEL, text):
        errors[-1] = "must not contain dots"
    return errors


def is_dns1123_subdomain(text: str) -> list[str]:
    """A lower-case DNS name (RFC 1123), at most 253 bytes: "example.com"."""
    return _check(text, 253, _SUBDOMAIN, _SUBDOMAIN_MESSAGE, "example.com")


def is_wildcard_dns1123_subdomain(text: str) -> list[str]:
    """A DNS name that starts with "*.", as Ingress hosts may."""
    return _check(text, 253, _WILDCARD, _WILDCARD_MESSAGE, "*.example.com")


def is_dns1035_label(text: str) -> list[str]:
    """A DNS label that starts with a letter (RFC 1035), as Service names do."""
    return _check(text, 63, _DNS1035, _DNS1035_MESSAGE, "my-name", "abc-123")


def is_qualified_name(text: str) -> list[str]:
    """A label or annotation key: an optional DNS prefix and "/", then a name of at most 63 bytes."""
    prefix, slash, name = text.rpartition("/")
    example = regex_error(_QUALIFIED_MESSAGE, _QUALIFIED, "MyName", "my.name", "123-abc")
    if "/" in prefix:
        return [
            f"a valid label key {example} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    errors = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash:
        errors += [f"prefix part {error}" for error in is_dns1123_subdomain(prefix)]
    if not name:
        errors.append("name part must be non-empty")
    elif _too_long(name, 63):
        errors.append(f"name part {max_length_error(63)}")
    if not re.fullmatch(_QUALIFIED, name):
        errors.append(f"name part {example}")
    return errors


def is_label_value(text: str) -> list[str]:
    """A label's value: empty, or at most 63 bytes of letters, digits, '-', '_' and '.'."""
    return _check(text, 63, _LABEL_VALUE, _LABEL_VALUE_MESSAGE, "MyValue", "my_value", "12345")


def is_port_name(text: str) -> list[str]:
    """An IANA service name: at most 15 of a-z, 0-9 and '-', with a letter in it (RFC 6335)."""
    errors = []
    if _too_long(text, 15):
        errors.append("must be no more than 15 characters")
    if not re.fullmatch("[-a-z0-9]+", text):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        errors.append("must contain at least one letter (a-z)")
    if "--" in text:
        errors.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def is_port_number(port: int) -> list[str]:
    """A port that something can listen on: 1 to 65535."""
    return [] if 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def is_config_map_key(text: str) -> list[str]:
    """A key of a ConfigMap or Secret; it becomes a file name."""
    message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    errors = _check(text, 253, _CONFIG_KEY, message, "key.name", "KEY_NAME", "key-name")
    if text in (".", ".."):
        errors.append(f"must not be '{text}'")
    elif text.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def is_env_var_name(text: str) -> list[str]:
    """An environment variable's name: printable ASCII without '=' (the relaxed rule, on since v1.34)."""
    if not text:
        return ["environment variable name must be non-empty"]
    if all(" " <= c <= "~" and c != "=" for c in text):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
    ]


def is_http_header_name(text: str) -> list[str]:
    """A header's name in a probe."""
    if re.fullmatch(_HTTP_HEADER, text):
        return []
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_error(message, _HTTP_HEADER, "X-Header-Name")]


def is_percent(text: str) -> list[str]:
    """A percentage: "25%"."""
    if re.fullmatch(_PERCENT, text):
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(message, _PERCENT, "1%", "93%")]


def is_path_segment_name(text: str) -> list[str]:
    """A name that may stand in a URL path, the loosest rule for object names (RBAC uses it)."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in text]


def random_suffix(length: int = 5) -> str:
    """The random end of a generated name, as in "my-nginx-b9c7d"."""
    return "".join(random.choices(RANDOM_ALPHABET, k=length))


def generate_name(prefix: str) -> str:
    """A name for `metadata.generateName`: the prefix, cut so that 63 bytes suffice, and 5 letters."""
    return prefix[:58] + random_suffix()


def pod_template_hash(template: dict[str, Any], collision_count: int | None = None) -> str:
    """The `pod-template-hash` of a pod template (Deployment controller, ComputeHash).

    FNV-1a over a stable encoding, in which the order of keys and unset fields do not count;
    `collision_count` is the Deployment's `status.collisionCount`.
    """
    encoded = json.dumps(_without_unset(template), sort_keys=True, separators=(",", ":")).encode()
    if collision_count is not None:
        encoded += collision_count.to_bytes(8, "little", signed=True)
    value = 2166136261
    for byte in encoded:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(RANDOM_ALPHABET[ord(digit) % len(RANDOM_ALPHABET)] for digit in str(value))


def _without_unset(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_unset(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_unset(v) for v in value]
    return value
