"""Rules and subjects of roles, as the flags of `kubectl create role` and its like name them.

Source: k8s.io/kubectl pkg/cmd/create/create_role.go, create_clusterrolebinding.go.
"""

from __future__ import annotations

from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

GROUP = "rbac.authorization.k8s.io"
VERSION = f"{GROUP}/v1"

RULE_FLAGS = (
    Flag("verb", "Verb that applies to the resources contained in the rule", kind="strings"),
    Flag("resource", "Resource that the rule applies to", kind="strings"),
    Flag("resource-name", "Resource in the white list that the rule applies to", kind="array"),
)
SUBJECT_FLAGS = (
    Flag("user", "Usernames to bind to the role.", kind="array"),
    Flag("group", "Groups to bind to the role.", kind="array"),
    Flag("serviceaccount", "Service accounts to bind to the role, NAMESPACE:NAME", kind="array"),
)


def rules(session: Session) -> list[dict[str, Any]]:
    """One rule an API group. Raises CommandError."""
    verbs, words = list(dict.fromkeys(session["verb"])), session["resource"]
    if not verbs:
        raise CommandError("at least one verb must be specified")
    if not words:
        raise CommandError("at least one resource must be specified")
    if "*" in verbs:
        verbs = ["*"]
    groups: dict[str, list[str]] = {}
    for word in words:
        kind, slash, subresource = word.partition("/")
        group, plural = ("*", "*") if kind == "*" else _named(session, kind)
        plurals = groups.setdefault(group, [])
        if plural + slash + subresource not in plurals:
            plurals.append(plural + slash + subresource)
    if len(words) > 1 and session["resource-name"]:
        raise CommandError("resourceName(s) can not be applied to multiple resources")
    names = {"resourceNames": session["resource-name"]} if session["resource-name"] else {}
    return [
        {"apiGroups": [group], "resources": plurals, **names, "verbs": verbs}
        for group, plurals in groups.items()
    ]


def _named(session: Session, kind: str) -> tuple[str, str]:
    found = session.discovery.find(kind)
    return found.group, found.plural


def subjects(session: Session) -> list[dict[str, Any]]:
    """Who a binding binds. Raises CommandError."""
    made: list[dict[str, Any]] = [
        {"apiGroup": GROUP, "kind": kind, "name": name}
        for kind, flag in (("User", "user"), ("Group", "group"))
        for name in session[flag]
    ]
    for text in session["serviceaccount"]:
        namespace, _, name = text.partition(":")
        if not namespace or not name or ":" in name:
            raise CommandError("serviceaccount must be <namespace>:<name>")
        made.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return made
