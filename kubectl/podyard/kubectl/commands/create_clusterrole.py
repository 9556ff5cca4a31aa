"""kubectl create clusterrole."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.flags import Flag
from podyard.kubectl.rbac import RULE_FLAGS, VERSION, rules
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a ClusterRole with one rule an API group, or one for paths."""
    about = metadata(session, only_name(session), namespaced=False)
    urls = session["non-resource-url"]
    made: list[dict[str, Any]] = [{"nonResourceURLs": urls, "verbs": session["verb"]}] if urls else []
    if session["resource"] or not urls:
        made = [*rules(session), *made]
    obj = {"apiVersion": VERSION, "kind": "ClusterRole", "metadata": about, "rules": made}
    create(session, obj, "failed to create clusterrole:")
    return 0


COMMAND = Command(
    "create clusterrole NAME --verb=verb --resource=resource.group",
    "Create a cluster role",
    run,
    (
        *RULE_FLAGS,
        Flag("non-resource-url", "A partial url that user should have access to.", kind="strings"),
        *CREATE_FLAGS,
    ),
    "kubectl create clusterrole pod-reader --verb=get,list,watch --resource=pods",
)
