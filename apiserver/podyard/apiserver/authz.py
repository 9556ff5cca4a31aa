"""Who may do what: the place in the handler chain where a request is allowed or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from podyard.apiserver.registry import User


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is to be allowed (authorization.k8s.io ResourceAttributes or NonResourceAttributes).

    `path` is set, and `resource` empty, for a request to no resource.
    """

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and why, for people."""

    allowed: bool
    reason: str = ""


class Authorizer(Protocol):
    """Decides requests one by one."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Allow or refuse."""

    def rules(self, user: User, namespace: str) -> dict[str, Any]:
        """What `user` may do in `namespace`, as SubjectRulesReviewStatus."""


class AllowAuthenticated:
    """Allows everything to everybody who is authenticated: the place that RBAC will take."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Allow everything."""
        return Decision(True)

    def rules(self, user: User, namespace: str) -> dict[str, Any]:
        """Every verb on everything."""
        return {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        }
