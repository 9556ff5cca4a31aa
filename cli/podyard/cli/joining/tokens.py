"""Bootstrap tokens as Secrets (kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens). Pure."""

from __future__ import annotations

import base64
import re
import secrets
import string
from dataclasses import dataclass
from typing import Any

from podyard.api.times import from_rfc3339, to_rfc3339
from podyard.process.main import UserError

Object = dict[str, Any]

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
GROUPS = "system:bootstrappers:podyard:default-node-token"

_ALPHABET = string.ascii_lowercase + string.digits
_FORM = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_USAGE = "usage-bootstrap-"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Token:
    """What a Secret says of a token. `expires` is seconds since 1970, None for never."""

    text: str
    expires: float | None
    usages: tuple[str, ...]
    description: str
    groups: str


def generate() -> str:
    """A new token."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(22))
    return f"{letters[:6]}.{letters[6:]}"


def check(text: str) -> str:
    """The token, if it has the form of one. Raises UserError, which does not repeat it."""
    if not _FORM.fullmatch(text):
        raise UserError(
            "the token does not have the form of one: six, a dot and sixteen small letters and digits, "
            "such as abcdef.0123456789abcdef"
        )
    return text


def token_id(text: str) -> str:
    """The public part of a token, or of itself. Raises UserError."""
    if re.fullmatch(r"[a-z0-9]{6}", text):
        return text
    return check(text).partition(".")[0]


def make_secret(text: str, *, seconds: float, description: str, now: float) -> Object:
    """The Secret of a token that is good for `seconds` from `now`; 0 for ever."""
    public, _, private = text.partition(".")
    data = {
        "token-id": public,
        "token-secret": private,
        f"{_USAGE}authentication": "true",
        "auth-extra-groups": GROUPS,
        **({"expiration": to_rfc3339(now + seconds)} if seconds else {}),
        **({"description": description} if description else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": NAMESPACE, "name": PREFIX + public},
        "type": TYPE,
        "stringData": data,
    }


def read_secret(secret: Object) -> Token:
    """The token of a Secret."""
    data = {
        key: base64.b64decode(value).decode("utf-8", "replace")
        for key, value in (secret.get("data") or {}).items()
    }
    try:
        expires = from_rfc3339(data["expiration"]) if data.get("expiration") else None
    except ValueError:
        expires = 0.0
    usages = sorted(
        key.removeprefix(_USAGE) for key, value in data.items() if key.startswith(_USAGE) and value == "true"
    )
    return Token(
        f"{data.get('token-id', '')}.{data.get('token-secret', '')}",
        expires,
        tuple(usages),
        data.get("description", ""),
        data.get("auth-extra-groups", ""),
    )


def parse_duration(text: str) -> float:
    """Seconds of a duration as Go writes it: "24h", "1h30m", "0". Raises ValueError."""
    if text == "0":
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 24h, 90m or 0 (for ever)")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
