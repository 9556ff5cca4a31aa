"""kubectl set image. Source: k8s.io/kubectl pkg/cmd/set/set_image.go."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, PlainError, raise_all
from podyard.kubectl.finder import Info
from podyard.kubectl.pairs import split
from podyard.kubectl.podtemplates import SET_FLAGS, chosen, pod_spec, spec_of
from podyard.kubectl.printers import dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.writing import Writer

_LISTS = ("initContainers", "containers")


def run(session: Session) -> int:
    """Give containers other images."""
    resources, changes = split(session.args, "image")
    images = dict(_image(change) for change in changes)
    if not images and (resources or session["filename"]):
        raise CommandError("at least one image update is required")
    if len(images) > 1 and "*" in images:
        raise CommandError(
            "all containers are already specified by *, but saw more than one "
            "container_name=container_image pairs"
        )
    errors: list[CommandError] = []
    for info in chosen(session, resources):
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
    spec, _ = spec_of(info)
    _, where = pod_spec(info.object)
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


COMMAND = Command(
    "set image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1",
    "Update the image of a pod template",
    run,
    SET_FLAGS,
    "kubectl set image deployment/nginx busybox=busybox nginx=nginx:1.9.1",
)
