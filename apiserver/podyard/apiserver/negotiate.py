"""Content negotiation: from an Accept header to the one form to answer in.

k8s.io/apiserver/pkg/endpoints/handlers/negotiation: the first acceptable clause wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from podyard.api.errors import StatusError, status_error

Shape = Literal["object", "table", "partial", "partiallist", "discovery"]

_SHAPES: dict[tuple[str, str], Shape] = {
    ("Table", "meta.k8s.io"): "table",
    ("PartialObjectMetadata", "meta.k8s.io"): "partial",
    ("PartialObjectMetadataList", "meta.k8s.io"): "partiallist",
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io"): "discovery",
}
_VERSIONS: dict[Shape, tuple[str, ...]] = {
    "table": ("v1", "v1beta1"),
    "partial": ("v1", "v1beta1"),
    "partiallist": ("v1", "v1beta1"),
    "discovery": ("v2", "v2beta1"),
}
_MEDIA = {
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
    "application/yaml": "yaml",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The form of an answer: `shape` in `encoding`; `version` is that of the shape's own group."""

    encoding: str = "json"
    shape: Shape = "object"
    version: str = ""


_DEFAULT = Accepted()


@lru_cache(maxsize=512)
def negotiate(accept: str, shapes: frozenset[Shape]) -> Accepted:
    """Choose by an Accept header among `shapes` (an object is always on offer).

    Raises StatusError 406 when nothing in the header can be served.
    """
    clauses = [clause.strip() for clause in accept.split(",") if clause.strip()]
    if not clauses:
        return _DEFAULT
    for clause in clauses:
        if (found := _clause(clause, shapes)) is not None:
            return found
    raise not_acceptable()


def not_acceptable() -> StatusError:
    """406: only other forms were asked for."""
    return status_error(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml",
    )


def _clause(clause: str, shapes: frozenset[Shape]) -> Accepted | None:
    media, *rest = (part.strip() for part in clause.split(";"))
    encoding = _MEDIA.get(media.lower())
    if encoding is None:
        return None
    parameters = dict(part.split("=", 1) for part in rest if "=" in part)
    if "as" not in parameters:
        return Accepted(encoding)
    shape = _SHAPES.get((parameters["as"], parameters.get("g", "")))
    version = parameters.get("v", "")
    if shape is None or shape not in shapes or version not in _VERSIONS[shape]:
        return None
    return Accepted(encoding, shape, version)
