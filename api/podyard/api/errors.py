"""Errors as the Kubernetes API states them: a `Status` object.

Every part that refuses a request raises `StatusError` made by one of the functions here; the
adapters send its `status` as it is. Reasons, codes and messages follow
k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from podyard.api.resources import Resource


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field (k8s.io/apimachinery field.Error).

    `reason` is a cause type: FieldValueRequired, FieldValueInvalid, FieldValueDuplicate,
    FieldValueNotSupported, FieldValueForbidden, FieldValueNotFound, FieldValueTooLong,
    FieldValueTooMany, FieldValueTypeInvalid. `message` is the text after the field path, e.g.
    'Invalid value: 70000: must be between 1 and 65535, inclusive'.
    """

    path: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class StatusError(Exception):
    """A refused request. `status` is the whole Kubernetes `Status` object to answer with."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(status.get("message", ""))
        self.status = status

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status.get("code", 500))

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as "NotFound"."""
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        """The text for people."""
        return str(self.status.get("message", ""))


def status_error(
    code: int,
    reason: str,
    message: str,
    *,
    name: str = "",
    group: str = "",
    kind: str = "",
    uid: str = "",
    causes: Iterable[dict[str, str]] = (),
    retry_after_seconds: int = 0,
) -> StatusError:
    """A failure `Status` with the details that are not empty."""
    pairs: dict[str, Any] = {"name": name, "group": group, "kind": kind, "uid": uid}
    details: dict[str, Any] = {key: value for key, value in pairs.items() if value}
    if cause_list := list(causes):
        details["causes"] = cause_list
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        status["details"] = details
    return StatusError(status)


def not_found(resource: Resource, name: str) -> StatusError:
    """404: no such object."""
    message = f'{resource.group_resource} "{name}" not found'
    return status_error(404, "NotFound", message, name=name, group=resource.group, kind=resource.plural)


def already_exists(resource: Resource, name: str) -> StatusError:
    """409: an object of that name is there."""
    message = f'{resource.group_resource} "{name}" already exists'
    return status_error(409, "AlreadyExists", message, name=name, group=resource.group, kind=resource.plural)


def conflict(resource: Resource, name: str, why: str = "") -> StatusError:
    """409: the object changed since the caller read it, or a precondition failed."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}'
    return status_error(409, "Conflict", message, name=name, group=resource.group, kind=resource.plural)


def invalid(resource: Resource, name: str, errors: Iterable[FieldError]) -> StatusError:
    """422: the object is refused; one cause for each field."""
    listed = list(errors)
    texts = list(dict.fromkeys(str(e) for e in listed))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    causes = [{"reason": e.reason, "message": e.message, "field": e.path} for e in listed]
    return status_error(
        422,
        "Invalid",
        f'{qualified} "{name}" is invalid: {text}',
        name=name,
        group=resource.group,
        kind=resource.kind,
        causes=causes,
    )


def bad_request(message: str) -> StatusError:
    """400: the request cannot be understood."""
    return status_error(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    """401: nobody we know."""
    return status_error(401, "Unauthorized", message)


def forbidden(resource: Resource, name: str, why: str) -> StatusError:
    """403: understood and refused."""
    subject = f'{resource.group_resource} "{name}"' if name else resource.group_resource
    return status_error(
        403,
        "Forbidden",
        f"{subject} is forbidden: {why}",
        name=name,
        group=resource.group,
        kind=resource.plural,
    )


def method_not_allowed(verb: str) -> StatusError:
    """405: the resource has no such verb."""
    message = f"the server does not allow this method on the requested resource ({verb})"
    return status_error(405, "MethodNotAllowed", message)


def unsupported_media_type(message: str) -> StatusError:
    """415: a body in a format that is not taken."""
    return status_error(415, "UnsupportedMediaType", message)


def expired(message: str) -> StatusError:
    """410: that resource version or continue token is too old; list again."""
    return status_error(410, "Expired", message)


def internal_error(message: str) -> StatusError:
    """500: our fault."""
    return status_error(500, "InternalError", f"Internal error occurred: {message}")


def service_unavailable(message: str) -> StatusError:
    """503: try again later."""
    return status_error(503, "ServiceUnavailable", message)
