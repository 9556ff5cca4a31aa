"""Arguments such as `deploy/x key=value other-`: resources first, then changes to a map.

Source: k8s.io/kubectl pkg/cmd/util GetResourcesAndPairs, pkg/cmd/label, pkg/cmd/annotate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from podyard.kubectl.errors import CommandError, raise_all
from podyard.kubectl.finder import find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import ALL_NAMESPACES_FLAG, FIELD_SELECTOR_FLAG, FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.writing import Writer


def map_flags(noun: str, manager: Flag) -> tuple[Flag, ...]:
    """The flags of `kubectl label` and `kubectl annotate`."""
    return (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        FIELD_SELECTOR_FLAG,
        ALL_NAMESPACES_FLAG,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        manager,
        Flag("all", "Select all resources, in the namespace of the specified types.", kind="bool"),
        Flag("list", f"If true, display the {noun}s for a given resource.", kind="bool"),
        Flag("overwrite", f"If true, allow {noun}s to be overwritten.", kind="bool"),
        Flag("resource-version", "If non-empty, the update only succeeds if this is the current version."),
    )


def split(args: Sequence[str], noun: str) -> tuple[list[str], list[str]]:
    """Resources, and what is to be changed. Raises CommandError for a resource behind a change."""
    resources: list[str] = []
    changes: list[str] = []
    for arg in args:
        if "=" in arg or (arg.endswith("-") and arg != "-"):
            changes.append(arg)
        elif changes:
            raise CommandError(f"all resources must be specified before {noun} changes: {arg}")
        else:
            resources.append(arg)
    return resources, changes


def parse_changes(changes: Sequence[str], noun: str) -> tuple[dict[str, str], list[str]]:
    """What is set, and what is removed. Raises CommandError."""
    kept: dict[str, str] = {}
    removed: list[str] = []
    for change in changes:
        key, equals, value = change.partition("=")
        if equals:
            if not key or (noun == "label" and "=" in value):
                raise CommandError(f"invalid {noun} {'spec' if noun == 'label' else 'format'}: {change}")
            kept[key] = value
        else:
            removed.append(change[:-1])
    if set(removed) & set(kept):
        article = "an" if noun == "annotation" else "a"
        raise CommandError(f"can not both modify and remove {article} {noun} in the same command")
    return kept, removed


def change_map(session: Session, noun: str) -> int:
    """`kubectl label` and `kubectl annotate`: change metadata.NOUNs of each object."""
    resources, changes = split(session.args, noun)
    kept, removed = parse_changes(changes, noun)
    if not resources and not session["filename"]:
        raise CommandError(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
        )
    for flag in ("selector", "field-selector"):
        if session["all"] and session[flag]:
            raise CommandError(f"cannot set --all and --{flag} at the same time")
    if not kept and not removed and not session["list"]:
        raise CommandError(f"at least one {noun} update is required")
    what = wanted(session)
    what.args = resources
    found = find(session, what, latest=True)
    if session["resource-version"] and not found.single:
        raise CommandError("--resource-version may only be used with a single resource")
    errors = found.errors
    for info in found.infos:
        try:
            if session["list"]:
                _list(session, info.object, noun, found.single)
                continue
            obj, said = changed(session, info.object, noun, kept, removed)
            if dry_run(session) != "client":
                patch = _patch(session, info.object, obj, f"{noun}s")
                stored = Writer(session, dry_run(session)).patch(info, "merge", patch)
                obj = stored if noun == "annotation" else obj
            session.out(printer_for(session, said)(obj))
        except CommandError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _list(session: Session, obj: dict[str, Any], noun: str, single: bool) -> None:
    metadata = obj["metadata"]
    if not single:
        group = str(obj["apiVersion"]).rpartition("/")[0]
        session.out(f"Listing {noun}s for {obj['kind']}.{group}/{metadata['name']}:\n")
    indent = "" if single else " "
    values = metadata.get(f"{noun}s") or {}
    session.out("".join(f"{indent}{key}={values[key]}\n" for key in sorted(values)))


def changed(
    session: Session, obj: dict[str, Any], noun: str, kept: dict[str, str], removed: list[str]
) -> tuple[dict[str, Any], str]:
    """The object with its map changed, and the word for what was done. Raises CommandError."""
    field = f"{noun}s"
    before = obj["metadata"].get(field) or {}
    if not session["overwrite"]:
        taken = [key for key, value in kept.items() if key in before and before[key] != value]
        problem = "'{}' already has a value ({}), and --overwrite is false"
        if noun == "annotation":
            problem = "--overwrite is false but found the following declared annotation(s): "
            problem += "'{}' already has a value ({})"
        raise_all([CommandError(problem.format(key, before[key])) for key in taken])
    if noun == "label":
        session.out("".join(f'label "{key}" not found.\n' for key in removed if key not in before))
    after = {key: value for key, value in {**before, **kept}.items() if key not in removed}
    new = {**obj, "metadata": {**obj["metadata"], field: after}}
    if noun == "annotation":
        return new, "annotated"
    shrunk = len(json.dumps(new)) < len(json.dumps(obj))
    if new == obj:
        return new, "not labeled"
    return new, "unlabeled" if shrunk and not session["overwrite"] else "labeled"


def _patch(session: Session, old: dict[str, Any], new: dict[str, Any], field: str) -> dict[str, Any]:
    before, after = old["metadata"].get(field) or {}, new["metadata"].get(field) or {}
    values: dict[str, str | None] = {key: v for key, v in after.items() if before.get(key) != v}
    values |= {key: None for key in before if key not in after}
    metadata: dict[str, Any] = {field: values} if values else {}
    if session["resource-version"]:
        metadata["resourceVersion"] = session["resource-version"]
    return {"metadata": metadata} if metadata else {}
