"""Who may do what: the place in the handler chain where a request is allowed or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from podyard.api.errors import StatusError, status_error
from podyard.api.selectors import parse_field_selector
from podyard.apiserver.registry import User


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is to be allowed (authorization.k8s.io ResourceAttributes or NonResourceAttributes).

    `path` is set, and `resource` empty, for a request to no resource. `fields` are the equalities of a
    list's or watch's field selector, as (field, value).
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
    fields: tuple[tuple[str, str], ...] = ()


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
    """Allows everything to everybody who is authenticated."""

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


def selected_fields(field_selector: str) -> tuple[tuple[str, str], ...]:
    """The equalities of a field selector. One that cannot be read has none: whoever serves it refuses it."""
    try:
        terms = parse_field_selector(field_selector)
    except ValueError:
        return ()
    return tuple((path, value) for path, operator, value in terms if operator == "=")


def require(authorizer: Authorizer, asked: Attributes) -> None:
    """StatusError 403 in Kubernetes' words (handlers/responsewriters/errors.go) unless it is allowed."""
    decision = authorizer.authorize(asked)
    if not decision.allowed:
        raise _forbidden(asked, decision.reason)


def _forbidden(asked: Attributes, reason: str) -> StatusError:
    if asked.path:
        what = f'forbidden: User "{asked.user.name}" cannot {asked.verb} path "{asked.path}"'
        return status_error(403, "Forbidden", f"{what}: {reason}" if reason else what)
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    subject = f'{qualified} "{asked.name}"' if asked.name else qualified
    message = (
        f'{subject} is forbidden: User "{asked.user.name}" cannot {asked.verb} resource "{resource}" '
        f'in API group "{asked.group}" {scope}'
    )
    if reason:
        message += f": {reason}"
    return status_error(403, "Forbidden", message, name=asked.name, group=asked.group, kind=asked.resource)
