"""Admission: checks and additions between defaults and strategy, in one visible order.

Each plugin is a function of a `Request` that changes `request.obj` in place or raises
StatusError. It looks at other objects through `request.objects` and does no waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from podyard.api.resources import Resource
from podyard.apiserver.registry import Object, User
from podyard.apiserver.registry.strategies import Objects


@dataclass(frozen=True, slots=True)
class Request:
    """A write as admission sees it. `obj` is None for DELETE, `old` for CREATE.

    `subresource` is "status", "token" or another that is written to, "" for the object itself.
    """

    operation: Literal["CREATE", "UPDATE", "DELETE"]
    resource: Resource
    namespace: str
    name: str
    obj: Object | None
    old: Object | None
    user: User
    objects: Objects
    subresource: str = ""
