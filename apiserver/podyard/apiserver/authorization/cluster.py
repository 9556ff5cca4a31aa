"""The authorizer of a cluster: nodes, components, and everybody else."""

from __future__ import annotations

from typing import Any

from podyard.apiserver.authorization import node, roles
from podyard.apiserver.authorization.node import NodeAuthorizer, PodsOf, node_of
from podyard.apiserver.authorization.roles import rules_of
from podyard.apiserver.authorization.rules import rules_review
from podyard.apiserver.authz import AllowAuthenticated, Attributes, Decision
from podyard.apiserver.registry import User


class ClusterAuthorizer:
    """`pods` gives those of a node as they are now, from which follows what it may read."""

    def __init__(self, pods: PodsOf) -> None:
        self._nodes = NodeAuthorizer(pods)
        self._others = AllowAuthenticated()

    def authorize(self, attributes: Attributes) -> Decision:
        """By the first that has something to say of the user: administrators, nodes, roles."""
        user = attributes.user
        if roles.ADMINISTRATORS in user.groups:
            return Decision(True)
        if (name := node_of(user)) is not None:
            return self._nodes.authorize(name, attributes)
        if (rules := rules_of(user)) is not None:
            return Decision(any(rule.allows(attributes) for rule in rules))
        return self._others.authorize(attributes)

    def rules(self, user: User, namespace: str) -> dict[str, Any]:
        """The rules of the user's role; what a node may besides is for each object to be asked."""
        if roles.ADMINISTRATORS not in user.groups:
            if node_of(user) is not None:
                return {**rules_review(node.RULES, namespace), "incomplete": True}
            if (rules := rules_of(user)) is not None:
                return rules_review(rules, namespace)
        return self._others.rules(user, namespace)
