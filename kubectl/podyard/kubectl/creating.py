"""What the commands that make up an object themselves have in common (`create deployment`, `expose`…)."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.errors import ApiError, CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.writing import VALIDATE_FLAG, Writer, annotated, manager_flag

SAVE_CONFIG_FLAG = Flag(
    "save-config",
    "If true, the configuration of current object will be saved in its annotation.",
    kind="bool",
)

CREATE_FLAGS = (
    *OUTPUT_FLAGS,
    DRY_RUN_FLAG,
    VALIDATE_FLAG,
    SAVE_CONFIG_FLAG,
    manager_flag("kubectl-create"),
)


def only_name(session: Session) -> str:
    """The one argument, NAME; what follows `--` does not count. Raises UsageError."""
    count = len(session.args) if session.flags.dash < 0 else session.flags.dash
    if count != 1:
        raise UsageError(session.command, f"exactly one NAME is required, got {count}")
    return session.args[0]


def metadata(session: Session, name: str, *, namespaced: bool = True) -> dict[str, Any]:
    """The metadata of a new object; the namespace stands there only if it was asked for."""
    made: dict[str, Any] = {"creationTimestamp": None, "name": name}
    if namespaced and session.enforce_namespace:
        made["namespace"] = session.namespace
    return made


def saved(session: Session, obj: dict[str, Any]) -> dict[str, Any]:
    """The object, with the annotation that `kubectl apply` reads if --save-config asks for it."""
    if not session["save-config"]:
        return obj
    return annotated(obj)


OVERRIDE_FLAGS = (
    Flag("overrides", "An inline JSON override for the generated object."),
    Flag("override-type", "The method used to override: json, merge or strategic.", default="merge"),
)


def check_overrides(session: Session) -> None:
    """Raise CommandError for an --override-type that is none."""
    if session["override-type"] not in ("json", "merge", "strategic"):
        raise CommandError(f"invalid override type: {session['override-type']}")


def overridden(session: Session, obj: dict[str, Any]) -> dict[str, Any]:
    """The object with what --overrides changes in it. Raises CommandError."""
    if not session["overrides"]:
        return obj
    from podyard.api.patch import json_patch, merge_patch, strategic_merge_patch
    from podyard.kubectl import yamltext

    try:
        patch = yamltext.load(session["overrides"])
        if session["override-type"] == "json":
            return json_patch(obj, patch)
        if session["override-type"] == "strategic":
            return strategic_merge_patch(obj["apiVersion"], obj["kind"], obj, patch)
        return merge_patch(obj, patch)
    except yamltext.YAMLError as error:
        raise CommandError(f"Invalid JSON Patch: {yamltext.problem(error)}") from None
    except ValueError as error:
        raise CommandError(f"Invalid JSON Patch: {error}") from None


def create(session: Session, obj: dict[str, Any], failed: str, operation: str = "created") -> None:
    """Create an object unless this is a rehearsal, and print it.

    `failed` is what a refusal begins with ("failed to create secret"); "" for kubectl's usual words.
    """
    obj = saved(session, obj)
    strategy = dry_run(session)
    printer = printer_for(session, operation)
    if strategy != "client":
        resource = session.discovery.of_kind(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise CommandError(f'no matches for kind "{obj["kind"]}" in version "{obj["apiVersion"]}"')
        namespace = session.namespace if resource.namespaced else ""
        try:
            obj = Writer(session, strategy).create(resource, namespace, obj)
        except ApiError as error:
            if not failed:
                raise
            raise CommandError(f"{failed} {error}") from None
    session.out(printer(obj))


def container_name(image: str) -> str:
    """The name of a container: that of its image, as far as names of containers may be so."""
    name = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
    if "_" in name or "." in name:
        from podyard.api.names import random_suffix

        name = f"{name.replace('_', '-').replace('.', '-')}-{random_suffix(5)}"
    return name


def container(name: str, image: str, command: list[str] | None = None) -> dict[str, Any]:
    """A container of a new pod."""
    made: dict[str, Any] = {"image": image, "name": name, "resources": {}}
    if command:
        made["command"] = command
    return made
