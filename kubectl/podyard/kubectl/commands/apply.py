"""kubectl apply. Source: k8s.io/kubectl pkg/cmd/apply."""

from __future__ import annotations

import http
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from podyard.kubectl.commands import Command
from podyard.kubectl.deletion import DELETE_FLAGS, FOREVER, delete, end_of, options, wait_until_gone
from podyard.kubectl.errors import ApiError, CommandError, UsageError, raise_all, with_source
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.jsontext import compact
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, output_format, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.threeway import merge_patch, strategic_patch
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.writing import (
    LAST_APPLIED,
    SUBRESOURCE_FLAG,
    VALIDATE_FLAG,
    Writer,
    annotated,
    current,
    manager_flag,
)

_Done = TypeVar("_Done")
_RETRIES = 5
_MISSING_ANNOTATION = (
    "Warning: resource {} is missing the {} annotation which is required by kubectl apply. kubectl apply "
    "should only be used on resources created declaratively by either kubectl create --save-config or "
    "kubectl apply. The missing annotation will be patched automatically.\n"
)


def run(session: Session) -> int:
    """Create each object, or change it into what the file says."""
    if session.args:
        raise UsageError(session.command, f"Unexpected args: [{' '.join(session.args)}]")
    if not session["filename"] and not session["kustomize"]:
        raise CommandError("must specify one of -f and -k")
    _check(session)
    what = wanted(session)
    selector, what.selector = what.selector, ""
    found = find(session, what)
    infos = [info for info in found.infos if _selected(info, selector)]
    if not infos and not found.errors:
        raise CommandError("no objects passed to apply")
    applier = _Applier(session)
    errors = found.errors
    for info in infos:
        try:
            applier.apply(info)
        except CommandError as error:
            errors.append(error)
    applier.flush()
    raise_all(errors)
    return 0


def _check(session: Session) -> None:
    if session["prune"]:
        raise CommandError(
            "--prune is not supported: delete what is no longer in the files with 'kubectl delete'"
        )
    if not session["overwrite"]:
        raise CommandError("--overwrite=false is not supported: what is applied always overwrites")
    if session["force-conflicts"] and not session["server-side"]:
        raise CommandError("--force-conflicts only works with --server-side")
    if session["subresource"] and not session["server-side"]:
        raise CommandError("--subresource can only be specified for --server-side")
    if session["server-side"] and dry_run(session) == "client":
        raise CommandError(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )


def _selected(info: Info, selector: str) -> bool:
    if not selector:
        return True
    from podyard.api.selectors import parse_label_selector

    return parse_label_selector(selector).matches(info.object["metadata"].get("labels") or {})


def without_nulls(value: Any) -> Any:
    """A value without the fields that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


class _Applier:
    """Applies one object after the other, and says what came of each."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._strategy = dry_run(session)
        self._writer = Writer(session, self._strategy)
        self._objects: list[dict[str, Any]] = []

    def apply(self, info: Info) -> None:
        """Apply one object. Raises CommandError."""
        generated = info.object["metadata"].get("generateName")
        if not info.name and generated:
            raise CommandError(f"from {generated}: cannot use generate name with apply")
        if self._session["server-side"]:
            self._server_side(info)
            return
        modified = annotated(info.object)
        about = f"retrieving current configuration of:\n{_identity(info)}\nfrom server for:"
        now = self._try(about, info, lambda: current(self._session, info))
        if now is None:
            obj = without_nulls(modified)
            if self._strategy != "client":
                obj = self._try(
                    "creating", info, lambda: self._writer.create(info.resource, info.namespace, obj)
                )
            self._say(obj, "created")
            return
        if self._strategy == "client":
            self._say(now, "configured")
            return
        if LAST_APPLIED not in (now["metadata"].get("annotations") or {}):
            self._session.err(_MISSING_ANNOTATION.format(f"{info.resource.plural}/{info.name}", LAST_APPLIED))
        obj, changed = self._patch(info, modified, now)
        if obj["metadata"].get("deletionTimestamp"):
            self._session.err(
                f"Warning: Detected changes to resource {info.name} which is currently being deleted.\n"
            )
        self._say(obj, "configured" if changed else "unchanged")

    def _patch(
        self, info: Info, modified: dict[str, Any], now: dict[str, Any]
    ) -> tuple[dict[str, Any], bool]:
        """Patch until nobody else was faster; gives the object, and whether it was changed."""
        for attempt in range(_RETRIES + 1):
            original = _original(now)
            patch = strategic_patch(info.object["apiVersion"], info.object["kind"], original, modified, now)
            kind = "strategic" if patch is not None else "merge"
            patch = merge_patch(original, modified, now) if patch is None else patch
            if not patch:
                return now, False
            try:
                return self._writer.patch(info, "strategic" if kind == "strategic" else "merge", patch), True
            except ApiError as error:
                if error.conflict and attempt < _RETRIES:
                    time.sleep(1 if attempt else 0)
                    now = current(self._session, info) or now
                    continue
                if self._session["force"] and error.reason in ("Conflict", "Invalid"):
                    return self._recreate(info, modified), True
                raise _patch_error(error, info, patch) from None
        raise AssertionError("unreachable")

    def _recreate(self, info: Info, modified: dict[str, Any]) -> dict[str, Any]:
        delete(self._session, info, options(self._session))
        wait_until_gone(self._session, info, "", end_of(self._session, FOREVER))
        return self._writer.create(info.resource, info.namespace, without_nulls(modified))

    def _server_side(self, info: Info) -> None:
        body = compact(info.object).encode()
        session = self._session
        try:
            obj = self._writer.patch(
                info, "apply", body, subresource=session["subresource"], force=session["force-conflicts"]
            )
        except ApiError as error:
            if error.http_code == http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
                raise CommandError(f"Server-side apply not available on the server: ({error})") from None
            raise
        self._say(obj, "serverside-applied")

    def _try(self, verb: str, info: Info, action: Callable[[], _Done]) -> _Done:
        try:
            return action()
        except CommandError as error:
            raise with_source(error, verb, info.source) from None

    def _say(self, obj: dict[str, Any], operation: str) -> None:
        if output_format(self._session)[0] not in ("", "name"):
            self._objects.append(obj)
            return
        self._session.out(printer_for(self._session, operation)(obj))

    def flush(self) -> None:
        """Print the objects, if -o wants them: several as a List."""
        if len(self._objects) == 1:
            self._session.out(printer_for(self._session)(self._objects[0]))
        elif self._objects:
            items = {"apiVersion": "v1", "items": self._objects, "kind": "List", "metadata": {}}
            self._session.out(printer_for(self._session)(items))


def _original(now: dict[str, Any]) -> dict[str, Any]:
    text = (now["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _patch_error(error: ApiError, info: Info, patch: dict[str, Any]) -> CommandError:
    about = f"applying patch:\n{compact(patch)}\nto:\n{_identity(info)}\nfor:"
    return with_source(with_source(error, "patching", info.source), about, info.source)


def _identity(info: Info) -> str:
    """Which object it is, in two lines of an error."""
    resource = info.resource
    version = f"{resource.group}/{resource.version}"
    return (
        f'Resource: "{version}, Resource={resource.plural}", GroupVersionKind: "{version}, '
        f'Kind={info.object["kind"]}"\nName: "{info.name}", Namespace: "{info.namespace}"'
    )


COMMAND = Command(
    "apply -f FILENAME",
    "Apply a configuration to a resource by file name or stdin",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        VALIDATE_FLAG,
        manager_flag("kubectl-client-side-apply"),
        Flag("force", "If a change is refused, delete and re-create the resource.", kind="bool"),
        Flag("prune", "Not supported.", kind="bool"),
        Flag("prune-allowlist", "Not supported.", kind="array"),
        Flag("all", "Not supported: it goes with --prune.", kind="bool"),
        Flag(
            "overwrite",
            "If false, what others have changed in the fields applied is an error.",
            kind="bool",
            default=True,
        ),
        *DELETE_FLAGS,
        Flag("wait", "Without effect: an object that --force re-creates is always waited for.", kind="bool"),
        Flag("openapi-patch", "Without effect.", kind="bool", default=True),
        Flag("server-side", "If true, apply runs in the server instead of the client.", kind="bool"),
        SUBRESOURCE_FLAG,
        Flag("force-conflicts", "If true, server-side apply will force the changes.", kind="bool"),
    ),
    "kubectl apply -f ./pod.json\ncat pod.json | kubectl apply -f -",
    {"view-last-applied": "apply_view_last_applied"},
)
