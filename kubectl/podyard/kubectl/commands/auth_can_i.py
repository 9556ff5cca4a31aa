"""kubectl auth can-i. Source: k8s.io/kubectl pkg/cmd/auth/cani.go."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import ApiError, CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import tabbed
from podyard.kubectl.wanted import ALL_NAMESPACES_FLAG

_ROOT = "/apis/authorization.k8s.io/v1"
_USAGE = "you must specify two arguments: verb resource or verb resource/resourceName."


def run(session: Session) -> int:
    """Ask the server whether we may; the status is 1 if not."""
    if session["list"]:
        return _list(session)
    if len(session.args) != 2:
        raise UsageError(session.command, _USAGE)
    status = _review(session, _question(session))["status"]
    allowed = bool(status.get("allowed"))
    if not session["quiet"]:
        reason, problem = status.get("reason"), status.get("evaluationError")
        text = ("yes" if allowed else "no") + (f" - {reason}" if reason else "")
        session.out(text + (f" - {problem}" if problem else "") + "\n")
    return 0 if allowed else 1


def _review(session: Session, question: dict[str, Any]) -> dict[str, Any]:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": question}
    return session.transport.json("POST", f"{_ROOT}/selfsubjectaccessreviews", body=body)


def _question(session: Session) -> dict[str, Any]:
    verb, what = session.args
    if what.startswith("/"):
        return {"nonResourceAttributes": {"path": what, "verb": verb}}
    kind, _, name = what.partition("/")
    found = _resource(session, kind)
    plural, group = (found.plural, found.group) if found else (kind, "")
    namespaced = found is None or found.namespaced
    everywhere = session["all-namespaces"] or not namespaced
    asked = {
        "namespace": "" if everywhere else session.namespace,
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": session["subresource"],
        "name": name,
    }
    return {"resourceAttributes": {key: value for key, value in asked.items() if value}}


def _resource(session: Session, word: str) -> Resource | None:
    """What a word means; for one the server does not know it is taken as it stands, with a warning."""
    if word == "*":
        return None
    try:
        found = session.discovery.find(word)
    except ApiError:
        raise
    except CommandError:
        session.err(f"Warning: the server doesn't have a resource type '{word}'\n\n")
        return None
    if not found.namespaced and not session["all-namespaces"]:
        group = f" in group '{found.group}'" if found.group else ""
        session.err(f"Warning: resource '{found.plural}' is not namespace scoped{group}\n\n")
    return found


def _list(session: Session) -> int:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": session.namespace},
    }
    status = session.transport.json("POST", f"{_ROOT}/selfsubjectrulesreviews", body=body)["status"]
    if status.get("incomplete"):
        session.err(f"warning: the list may be incomplete: {status.get('evaluationError', '')}\n")
    rows = [] if session["no-headers"] else [("Resources", "Non-Resource URLs", "Resource Names", "Verbs")]
    for rule in status.get("resourceRules") or ():
        names = _bracketed(rule.get("resourceNames"))
        for group in rule.get("apiGroups") or [""]:
            for plural in rule.get("resources") or ():
                rows.append(
                    (f"{plural}.{group}" if group else plural, "[]", names, _bracketed(rule["verbs"]))
                )
    for rule in status.get("nonResourceRules") or ():
        rows.append(("", _bracketed(rule.get("nonResourceURLs")), "[]", _bracketed(rule["verbs"])))
    session.out(tabbed("".join("\t".join(row) + "\n" for row in rows), 6, 3))
    return 0


def _bracketed(words: list[str] | None) -> str:
    return f"[{' '.join(words or ())}]"


COMMAND = Command(
    "auth can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
    "Check whether an action is allowed",
    run,
    (
        ALL_NAMESPACES_FLAG,
        Flag("list", "If true, prints all allowed actions.", kind="bool"),
        Flag("no-headers", "If true, prints allowed actions without headers", kind="bool"),
        Flag("quiet", "If true, suppress output and just return the exit code.", "q", "bool"),
        Flag("subresource", "SubResource such as pod/log or deployment/scale"),
    ),
    "kubectl auth can-i create pods\nkubectl auth can-i list deployments.apps --all-namespaces",
)
