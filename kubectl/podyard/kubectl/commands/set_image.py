"""kubectl set image. Source: k8s.io/kubectl pkg/cmd/set/set_image.go."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, PlainError, raise_all
from podyard.kubectl.finder import FILE_FLAGS, SELECTOR_FLAG, Info, find, wanted
from podyard.kubectl.flags import Flag
from podyard.kubectl.pairs import split
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.writing import Writer, manager_flag

_LISTS = ("initContainers", "containers")


def run(session: Session) -> int:
    """Give containers other images."""
    resources, changes = split(session.args, "image")
    images = dict(_image(change) for change in changes)
    if not resources and not session["filename"]:
        raise CommandError(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
        )
    if not images:
        raise CommandError("at least one image update is required")
    if len(images) > 1 and "*" in images:
        raise CommandError(
            "all containers are already specified by *, but saw more than one "
            "container_name=container_image pairs"
        )
    what = wanted(session)
    what.args = resources
    errors: list[CommandError] = []
    for info in find(session, what, latest=True).all():
        try:
            _set(session, info, images)
        except CommandError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _image(change: str) -> tuple[str, str]:
    name, equals, image = change.partition("=")
    if not equals or not image or not name:
        raise CommandError(f"invalid image format: {change}")
    return name, image


def _set(session: Session, info: Info, images: dict[str, str]) -> None:
    spec, where = pod_spec(info.object)
    if spec is None:
        raise PlainError(
            f"error: {info.resource.plural}/{info.name} the object is not a pod or does not have a pod "
            f"template: *v1.{info.resource.kind}"
        )
    patch: dict[str, Any] = {}
    missing = []
    for name, image in images.items():
        found = False
        for field in _LISTS:
            for container in spec.get(field) or ():
                if name not in (container["name"], "*"):
                    continue
                found = True
                if container.get("image") != image:
                    patch.setdefault(field, []).append({"name": container["name"], "image": image})
        if not found:
            missing.append(PlainError(f'error: unable to find container named "{name}"'))
    if patch:
        _write(session, info, patch, where)
    raise_all(missing)


def _write(session: Session, info: Info, patch: dict[str, Any], where: list[str]) -> None:
    for field in patch:  # keep the order of the containers, as kubectl's patch does
        spec, _ = pod_spec(info.object)
        names = [{"name": one["name"]} for one in (spec or {}).get(field) or ()]
        patch = {**patch, f"$setElementOrder/{field}": names}
    whole: Any = {"spec": patch}
    for name in reversed(where):
        whole = {name: whole}
    obj = info.object
    if dry_run(session) != "client":
        try:
            obj = Writer(session, dry_run(session)).patch(info, "strategic", whole)
        except CommandError as error:
            raise PlainError(f"error: failed to patch image update to pod template: {error}") from None
    session.out(printer_for(session, "image updated")(obj))


def pod_spec(obj: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """The pod spec in an object, and the fields that lead to it; None when it has none."""
    if obj["kind"] == "Pod":
        return obj["spec"], []
    path = ["spec", "jobTemplate"] if obj["kind"] == "CronJob" else []
    path += ["spec", "template"]
    found: Any = obj
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return (found.get("spec") if isinstance(found, dict) else None), path


COMMAND = Command(
    "set image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1",
    "Update the image of a pod template",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        manager_flag("kubectl-set"),
        Flag("all", "Select all resources, in the namespace of the specified types.", kind="bool"),
    ),
    "kubectl set image deployment/nginx busybox=busybox nginx=nginx:1.9.1",
)
