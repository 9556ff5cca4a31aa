"""Rules that allow: a small, fixed part of Kubernetes' RBAC (rbac.authorization.k8s.io/v1 PolicyRule)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from podyard.apiserver.authz import Attributes

READ = ("get", "list", "watch")
CONNECT = frozenset({"exec", "attach", "portforward", "proxy", "log"})


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows `verbs` on `resources` ("pods", "pods/status", "*") of API `groups`, or on `paths`.

    `names` and `namespace` narrow it down. "*" among the resources is every one with its sub-resources, but
    for those that lead into pods: nothing that is started by the cluster itself needs them.
    """

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    namespace: str = ""
    paths: tuple[str, ...] = ()

    def allows(self, asked: Attributes) -> bool:
        """Whether it is this rule's to allow."""
        if asked.verb not in self.verbs:
            return False
        if not asked.resource:
            return any(_covers(path, asked.path) for path in self.paths)
        if asked.group not in self.groups and "*" not in self.groups:
            return False
        whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        if whole not in self.resources and not ("*" in self.resources and asked.subresource not in CONNECT):
            return False
        if self.namespace and asked.namespace != self.namespace:
            return False
        return not self.names or asked.name in self.names

    def describe(self) -> dict[str, Any]:
        """As a ResourceRule or NonResourceRule of authorization.k8s.io/v1."""
        if self.paths:
            return {"verbs": list(self.verbs), "nonResourceURLs": list(self.paths)}
        described: dict[str, Any] = {
            "verbs": list(self.verbs),
            "apiGroups": list(self.groups),
            "resources": list(self.resources),
        }
        if self.names:
            described["resourceNames"] = list(self.names)
        return described


def _covers(pattern: str, path: str) -> bool:
    return path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def rules_review(rules: Iterable[Rule], namespace: str) -> dict[str, Any]:
    """The rules that apply in a namespace, as SubjectRulesReviewStatus."""
    found = [rule for rule in rules if rule.namespace in ("", namespace)]
    return {
        "resourceRules": [rule.describe() for rule in found if not rule.paths],
        "nonResourceRules": [rule.describe() for rule in found if rule.paths],
        "incomplete": False,
    }
