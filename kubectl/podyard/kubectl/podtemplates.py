"""Pods inside of other objects: their containers, and changes to them (`kubectl set …`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from podyard.api.patch import json_patch
from podyard.kubectl.errors import CommandError, PlainError
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.writing import Writer, manager_flag

Operation = dict[str, Any]
"""One operation of a JSON patch (RFC 6902)."""

SET_FLAGS = (
    *FILE_FLAGS,
    SELECTOR_FLAG,
    *OUTPUT_FLAGS,
    DRY_RUN_FLAG,
    manager_flag("kubectl-set"),
    Flag("all", "Select all resources, in the namespace of the specified types.", kind="bool"),
)
CONTAINERS_FLAG = Flag(
    "containers", "The names of containers to change; * and ? are wildcards.", short="c", default="*"
)


def chosen(session: Session, resources: Sequence[str]) -> list[Info]:
    """The objects that a `set` command is to change, as the server has them."""
    what = wanted(session)
    what.args = resources
    return find(session, what, latest=True).all()


def pod_spec(obj: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """The pod spec in an object, and the fields that lead to what it stands in; None when it has none."""
    if obj["kind"] == "Pod":
        return obj["spec"], []
    path = ["spec", "jobTemplate"] if obj["kind"] == "CronJob" else []
    path += ["spec", "template"]
    found: Any = obj
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return (found.get("spec") if isinstance(found, dict) else None), path


def spec_of(info: Info) -> tuple[dict[str, Any], str]:
    """The pod spec of an object, and the JSON pointer to it. Raises CommandError when it has none."""
    spec, path = pod_spec(info.object)
    if spec is None:
        raise PlainError(
            f"error: {info.resource.plural}/{info.name} the object is not a pod or does not have a pod "
            f"template: *v1.{info.resource.kind}"
        )
    return spec, "/" + "/".join((*path, "spec"))


def containers(info: Info, pattern: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON pointer and content of each container whose name matches."""
    spec, pointer = spec_of(info)
    for field in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(field) or ()):
            if fnmatchcase(container["name"], pattern):
                yield f"{pointer}/{field}/{at}", container


def change(session: Session, info: Info, operations: Sequence[Operation], done: str) -> None:
    """Change an object, unless this is a rehearsal, and say so ("env updated"); nothing for no operation."""
    if not operations:
        return
    try:
        obj = json_patch(info.object, list(operations))
    except ValueError as error:
        raise CommandError(str(error)) from None
    if dry_run(session) != "client":
        obj = Writer(session, dry_run(session)).patch(info, "json", list(operations))
    session.out(printer_for(session, done)(obj))


def replaced(pointer: str, container: dict[str, Any], field: str, value: Any) -> list[Operation]:
    """The operations that give a container another value; they fail when it is not the same any more."""
    return [
        {"op": "test", "path": f"{pointer}/name", "value": container["name"]},
        {"op": "add", "path": f"{pointer}/{field}", "value": value},
    ]
