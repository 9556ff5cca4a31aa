"""What a service account's token says, and whether it still holds: pure (kubernetes pkg/serviceaccount)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podyard.api.times import from_rfc3339
from podyard.apiserver.registry import Object, User
from podyard.apiserver.registry.strategies import Objects
from podyard.apiserver.tokens.jws import TokenError

LEEWAY_SECONDS = 60.0
"""How far clocks may be apart, and how long after its deletion an object still counts as there."""

WARN_ONLY_SECONDS = 3607
"""The lifetime of the tokens that admission mounts, by which they are known: not just an hour."""

AUTHENTICATED = "system:authenticated"

_USER_PREFIX = "system:serviceaccount:"
_EXTRA = "authentication.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to beside its ServiceAccount: at most one of pod, Secret and node.

    The node that goes with a pod is for information: the token does not end with it. It may be given by
    name alone, when the Node object is gone.
    """

    pod: Object | None = None
    secret: Object | None = None
    node: Object | None = None


def make_claims(
    account: Object,
    bound: Bound,
    *,
    issuer: str,
    audiences: Sequence[str],
    now: float,
    expires: float,
    token_id: str,
    warn_after: float = 0,
) -> Object:
    """The claims of a token. `now`, `expires` and `warn_after` (0: never) are seconds since 1970."""
    metadata = account["metadata"]
    private: Object = {"namespace": metadata["namespace"]}
    for key, obj in (("node", bound.node), ("pod", bound.pod), ("secret", bound.secret)):
        if obj is not None:
            private[key] = _reference(obj)
    private["serviceaccount"] = _reference(account)
    if warn_after:
        private["warnafter"] = int(warn_after)
    return {
        "aud": list(audiences),
        "exp": int(expires),
        "iat": int(now),
        "iss": issuer,
        "jti": token_id,
        "kubernetes.io": private,
        "nbf": int(now),
        "sub": user_name(metadata["namespace"], metadata["name"]),
    }


def _reference(obj: Object) -> Object:
    keys = ("name", "uid")
    return {key: obj["metadata"][key] for key in keys if key in obj["metadata"]}


def check_times(claims: Object, now: float) -> None:
    """TokenError when the token is not valid at `now`."""
    if now > _number(claims, "exp") + LEEWAY_SECONDS:
        raise TokenError("service account token has expired")
    if now < _number(claims, "nbf") - LEEWAY_SECONDS:
        raise TokenError("service account token is not valid yet")
    if now < _number(claims, "iat") - LEEWAY_SECONDS:
        raise TokenError("service account token is issued in the future")


def _number(claims: Object, key: str) -> float:
    value = claims.get(key)
    if not isinstance(value, int | float):
        raise TokenError(f"claim {key} is not a number")
    return value


def check_objects(claims: Object, objects: Objects, now: float) -> User:
    """The user of a token whose signature is good. TokenError when what it names is not there."""
    private = claims.get("kubernetes.io")
    if not isinstance(private, dict) or not private.get("serviceaccount"):
        raise TokenError("Name is not set in claims")
    namespace = str(private.get("namespace", ""))
    account = _named(objects, "serviceaccounts", namespace, private["serviceaccount"], now)
    if claims.get("sub") != user_name(namespace, account["name"]):
        raise TokenError("subject does not match the service account")
    extra = {_EXTRA + "credential-id": (f"JTI={claims['jti']}",)} if claims.get("jti") else {}
    if secret := private.get("secret"):
        _named(objects, "secrets", namespace, secret, now)
    if pod := private.get("pod"):
        found = _named(objects, "pods", namespace, pod, now)
        extra |= {_EXTRA + "pod-name": (found["name"],), _EXTRA + "pod-uid": (found["uid"],)}
    if node := private.get("node"):
        if not pod:
            _named(objects, "nodes", "", node, now)
        extra[_EXTRA + "node-name"] = (node["name"],)
        if node.get("uid"):
            extra[_EXTRA + "node-uid"] = (node["uid"],)
    return User(
        user_name(namespace, account["name"]),
        (*account_groups(namespace), AUTHENTICATED),
        account["uid"],
        extra,
    )


_KINDS = {
    "serviceaccounts": "service account",
    "secrets": "secret",
    "pods": "pod",
    "nodes": "node",
}


def _named(objects: Objects, plural: str, namespace: str, reference: Any, now: float) -> dict[str, str]:
    """Name and uid of the object that a claim names."""
    kind, name, uid = _KINDS[plural], str(reference.get("name", "")), reference.get("uid")
    found = objects.lookup(plural, namespace, name)
    if found is None:
        gone = f'serviceaccounts "{name}" not found' if plural == "serviceaccounts" else _INVALIDATED
        raise TokenError(gone)
    own = found["metadata"]
    if own["uid"] != uid:
        raise TokenError(f"{kind} UID ({own['uid']}) does not match claim ({uid})")
    deleted = own.get("deletionTimestamp")
    if deleted and from_rfc3339(deleted) < now - LEEWAY_SECONDS:
        raise TokenError(f"{kind} {namespace}/{name} has been deleted" if namespace else _INVALIDATED)
    return {"name": name, "uid": uid}


_INVALIDATED = "service account token has been invalidated"


def user_name(namespace: str, name: str) -> str:
    """The user that a ServiceAccount is."""
    return f"{_USER_PREFIX}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, str]:
    """The groups of every ServiceAccount of a namespace."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}"


def groups_of_user(name: str) -> tuple[str, ...]:
    """The groups of a user that is a ServiceAccount, none for another."""
    namespace, separator, account = name.removeprefix(_USER_PREFIX).partition(":")
    is_account = name.startswith(_USER_PREFIX) and separator and namespace and account
    return account_groups(namespace) if is_account else ()
