"""kubectl set env. Source: k8s.io/kubectl pkg/cmd/set/set_env.go."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Sequence
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, raise_all
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.pairs import split
from podyard.kubectl.podtemplates import CONTAINERS_FLAG, SET_FLAGS, change, chosen, containers, replaced
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import Wanted

_REFERENCES = {"ConfigMap": "configMapKeyRef", "Secret": "secretKeyRef"}


def run(session: Session) -> int:
    """Set or remove variables of containers, or list them."""
    piped = "-" in session.args
    words = [arg for arg in session.args if arg != "-"]
    resources, changes = split(words, "environment")
    if piped:
        changes += [line for line in sys.stdin.read().split("\n") if line.strip()]
    if not resources and not session["filename"]:
        raise CommandError(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
        )
    added, removed = parse_variables([*changes, *session["env"]])
    if session["from"]:
        added += _from(session)
    errors: list[CommandError] = []
    for info in chosen(session, resources):
        try:
            _show(session, info) if session["list"] else _set(session, info, added, removed)
        except CommandError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def parse_variables(changes: Sequence[str]) -> tuple[list[dict[str, Any]], set[str]]:
    """The variables of `NAME=VALUE`, and the names of `NAME-`. Raises CommandError."""
    added: list[dict[str, Any]] = []
    removed = set()
    for text in changes:
        name, equals, value = text.partition("=")
        if equals:
            added.append({"name": name, "value": value})
        elif text.endswith("-"):
            removed.add(text[:-1])
        else:
            raise CommandError(f"environment variables must be of the form key=value and not {text}")
    return added, removed


def changed_variables(
    before: Sequence[dict[str, Any]], added: Sequence[dict[str, Any]], removed: set[str]
) -> list[dict[str, Any]]:
    """The variables of a container: new values stand where the old ones stood, new names at the end."""
    new = {one["name"]: one for one in added}
    kept = [new.pop(one["name"], one) for one in before if one["name"] not in removed]
    return [*kept, *(one for one in new.values() if one["name"] not in removed)]


def _from(session: Session) -> list[dict[str, Any]]:
    """A variable for each key of the ConfigMap or Secret of --from."""
    found = find(session, Wanted([session["from"]])).all()
    info = found[0]
    if info.resource.kind not in _REFERENCES:
        raise CommandError(f"unsupported resource specified in --from: {info.resource.kind}")
    made = []
    for key in sorted(info.object.get("data") or {}):
        if session["keys"] and key not in session["keys"]:
            continue
        name = re.sub(r"[^A-Za-z0-9_]", "_", key).upper()
        if name != key:
            session.err(f"Warning: key {key} transferred to {name}\n")
        reference = {_REFERENCES[info.resource.kind]: {"key": key, "name": info.name}}
        made.append({"name": session["prefix"] + name, "valueFrom": reference})
    return made


def _set(session: Session, info: Info, added: list[dict[str, Any]], removed: set[str]) -> None:
    operations, found = [], False
    for pointer, container in containers(info, session["containers"]):
        found = True
        before = container.get("env") or []
        if not session["overwrite"]:
            _refuse_existing(info, before, added)
        after = changed_variables(before, added, removed)
        if after != before:
            operations += replaced(pointer, container, "env", after)
    if not found:
        session.err(
            f"Warning: {info.resource.kind}/{info.name} does not have any containers matching "
            f'"{session["containers"]}"\n'
        )
    change(session, info, operations, "env updated")


def _refuse_existing(info: Info, before: list[dict[str, Any]], added: list[dict[str, Any]]) -> None:
    values = {one["name"]: one.get("value", "") for one in before}
    for name in (one["name"] for one in added if one["name"] in values):
        raise CommandError(
            f"{info.resource.plural}/{info.name} '{name}' already has a value ({values[name]}), and "
            "--overwrite is false"
        )


def _show(session: Session, info: Info) -> None:
    for _, container in containers(info, session["containers"]):
        session.out(f"# {info.resource.kind} {info.name}, container {container['name']}\n")
        for one in container.get("env") or ():
            session.out(_line(session, info, one) + "\n")


def _line(session: Session, info: Info, variable: dict[str, Any]) -> str:
    source = variable.get("valueFrom")
    if not source:
        return f"{variable['name']}={variable.get('value', '')}"
    for kind, field in _REFERENCES.items():
        if field in source:
            name, key = source[field].get("name", ""), source[field].get("key", "")
            if session["resolve"]:
                return f"{variable['name']}={_resolved(session, info, kind, name, key)}"
            return f"# {variable['name']} from {kind.lower()} {name}, key {key}"
    if "fieldRef" in source:
        return f"# {variable['name']} from field path {source['fieldRef'].get('fieldPath', '')}"
    return f"# {variable['name']} from resource {(source.get('resourceFieldRef') or {}).get('resource', '')}"


def _resolved(session: Session, info: Info, kind: str, name: str, key: str) -> str:
    resource = session.discovery.find(kind)
    data = session.transport.json("GET", resource.path(info.namespace, name)).get("data") or {}
    if key not in data:
        raise CommandError(f"key {key} not found in {kind.lower()} {name}")
    return base64.b64decode(data[key]).decode(errors="replace") if kind == "Secret" else str(data[key])


COMMAND = Command(
    "set env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Update environment variables on a pod template",
    run,
    (
        *SET_FLAGS,
        CONTAINERS_FLAG,
        Flag("env", "NAME=VALUE, as an argument is.", "e", "array"),
        Flag("from", "The name of a resource from which to inject environment variables"),
        Flag("keys", "Comma-separated list of keys to import from --from", kind="strings"),
        Flag("list", "If true, display the environment and any changes in the standard format.", kind="bool"),
        Flag("overwrite", "If true, allow environment to be overwritten.", kind="bool", default=True),
        Flag("prefix", "Prefix to append to variable names"),
        Flag("resolve", "If true, show secret or configmap references when listing variables", kind="bool"),
    ),
    "kubectl set env deployment/registry STORAGE_DIR=/local\n"
    "kubectl set env deployment/registry --list\n"
    "kubectl set env --from=secret/mysecret deployment/myapp",
)
