"""Bootstrap tokens: by which a host that has no certificate yet is known.

Each is a Secret in kube-system. Source: kubernetes
plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go, staging/src/k8s.io/cluster-bootstrap.
"""

from __future__ import annotations

import base64
import hmac
import re

from podyard.api.times import from_rfc3339
from podyard.apiserver.authorization.roles import BOOTSTRAPPERS
from podyard.apiserver.registry import Object, User
from podyard.apiserver.registry.strategies import Objects
from podyard.apiserver.tokens.claims import AUTHENTICATED
from podyard.apiserver.tokens.jws import TokenError

SECRET_TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"
SECRET_PREFIX = "bootstrap-token-"

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(rf"{BOOTSTRAPPERS}:[a-z0-9:-]{{0,255}}[a-z0-9]")


def is_bootstrap_token(text: str) -> bool:
    """Whether it has the form of one: six, a dot and sixteen small letters and digits."""
    return _TOKEN.fullmatch(text) is not None


def recognise(text: str, objects: Objects, now: float) -> User:
    """The user that a token of that form is at `now`, seconds since 1970. TokenError says why it is none."""
    token_id, _, token_secret = text.partition(".")
    secret = objects.lookup("secrets", NAMESPACE, SECRET_PREFIX + token_id)
    if secret is None or secret.get("type") != SECRET_TYPE or "deletionTimestamp" in secret["metadata"]:
        raise TokenError(f"there is no bootstrap token {token_id}")
    data = decoded(secret)
    known = data.get("token-secret", "").encode()
    if data.get("token-id") != token_id or not hmac.compare_digest(known, token_secret.encode()):
        raise TokenError(f"the secret part of bootstrap token {token_id} is wrong")
    if expired(data, now):
        raise TokenError(f"bootstrap token {token_id} has expired")
    if data.get("usage-bootstrap-authentication") != "true":
        raise TokenError(f"bootstrap token {token_id} is not for authentication")
    return User(f"system:bootstrap:{token_id}", (BOOTSTRAPPERS, *_groups(data), AUTHENTICATED))


def decoded(secret: Object) -> dict[str, str]:
    """A Secret's data as text."""
    return {
        key: base64.b64decode(value).decode("utf-8", "replace")
        for key, value in (secret.get("data") or {}).items()
    }


def expired(data: dict[str, str], now: float) -> bool:
    """Whether its time is over. A time that cannot be read is over."""
    expiration = data.get("expiration")
    if not expiration:
        return False
    try:
        return from_rfc3339(expiration) <= now
    except ValueError:
        return True


def _groups(data: dict[str, str]) -> list[str]:
    extra = [group for group in data.get("auth-extra-groups", "").split(",") if group]
    if bad := [group for group in extra if not _GROUP.fullmatch(group)]:
        raise TokenError(f"a bootstrap token cannot be of group {bad[0]}")
    return sorted(set(extra))
