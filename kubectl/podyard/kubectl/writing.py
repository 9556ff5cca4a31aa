"""Requests that change objects, with the options that every such command has."""

from __future__ import annotations

from typing import Any, Literal

from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag, parse_bool
from podyard.kubectl.jsontext import compact
from podyard.kubectl.session import Session

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def last_applied(obj: dict[str, Any]) -> str:
    """The value of the annotation that remembers what was applied."""
    annotations = dict(obj["metadata"].get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    metadata = {**obj["metadata"], "annotations": annotations}
    return compact({**obj, "metadata": metadata}) + "\n"


def annotated(obj: dict[str, Any]) -> dict[str, Any]:
    """The object with that annotation."""
    metadata = obj["metadata"]
    annotations = {**(metadata.get("annotations") or {}), LAST_APPLIED: last_applied(obj)}
    return {**obj, "metadata": {**metadata, "annotations": annotations}}


PatchType = Literal["json", "merge", "strategic", "apply"]

_CONTENT_TYPES: dict[str, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}

VALIDATE_FLAG = Flag(
    "validate",
    "Must be one of: strict (or true), warn, ignore (or false): what to do about unknown fields.",
    default="strict",
    bare="strict",
)


SUBRESOURCE_FLAG = Flag("subresource", "If specified, the subresource of the object is meant.")


def manager_flag(name: str) -> Flag:
    """--field-manager, with a command's own default."""
    return Flag("field-manager", "Name of the manager used to track field ownership.", default=name)


class Writer:
    """Writes objects. `dry_run` is "", "client" or "server"; on "client" nothing is to be written."""

    def __init__(self, session: Session, dry_run: str = "") -> None:
        self._session = session
        values = session.flags.values
        self._query: dict[str, str] = {}
        if values.get("field-manager"):
            self._query["fieldManager"] = values["field-manager"]
        if dry_run == "server":
            self._query["dryRun"] = "All"
        if "validate" in values:
            self._query["fieldValidation"] = validation(values["validate"])

    def create(self, resource: Resource, namespace: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Create an object; gives it as it is stored."""
        return self._session.transport.json("POST", resource.path(namespace), query=self._query, body=obj)

    def replace(self, info: Info, obj: dict[str, Any], subresource: str = "") -> dict[str, Any]:
        """Replace an object, or a sub-resource of it."""
        return self._session.transport.json("PUT", _path(info, subresource), query=self._query, body=obj)

    def patch(
        self, info: Info, patch_type: PatchType, patch: Any, *, subresource: str = "", force: bool = False
    ) -> dict[str, Any]:
        """Patch an object, or a sub-resource of it."""
        query = {**self._query, "force": "true"} if force else self._query
        return self._session.transport.json(
            "PATCH",
            _path(info, subresource),
            query=query,
            body=patch,
            content_type=_CONTENT_TYPES[patch_type],
        )

    def delete(self, info: Info, options: dict[str, Any]) -> dict[str, Any]:
        """Delete an object; gives it, or a Status."""
        query = {"dryRun": "All"} if "dryRun" in self._query else {}
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        return self._session.transport.json("DELETE", info.path, query=query, body=body)


def _path(info: Info, subresource: str) -> str:
    return f"{info.path}/{subresource}" if subresource else info.path


def validation(text: str) -> str:
    """The server's word for --validate."""
    if text in ("strict", "warn", "ignore"):
        return text.capitalize()
    try:
        return "Strict" if parse_bool(text) else "Ignore"
    except ValueError:
        raise CommandError(
            f'invalid - validate option "{text}"; must be one of: strict (or true), warn, ignore (or false)'
        ) from None


def current(session: Session, info: Info) -> dict[str, Any] | None:
    """The object as the server has it, or None."""
    try:
        return session.transport.json("GET", info.path)
    except ApiError as error:
        if error.not_found:
            return None
        raise
