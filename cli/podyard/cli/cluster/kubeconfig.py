"""The kubeconfig: one by itself, and the context in the user's own file."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from podyard.cli.cluster.config import ClusterConfig
from podyard.process.main import UserError

Kubeconfig = dict[str, Any]

SECTIONS = ("clusters", "contexts", "users")


def standalone(cluster: ClusterConfig) -> Kubeconfig:
    """A whole kubeconfig with the administrator's certificate in it."""
    name = cluster.context
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": cluster.api_url,
                    "certificate-authority-data": _encoded(cluster.path / "pki/ca.crt"),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _encoded(cluster.path / "pki/admin.crt"),
                    "client-key-data": _encoded(cluster.path / "pki/admin.key"),
                },
            }
        ],
        "current-context": name,
    }


def merged(existing: Kubeconfig, ours: Kubeconfig) -> Kubeconfig:
    """`existing` with our entries in place of older ones of the same name, and current."""
    result = removed(existing, ours["current-context"])
    for section in SECTIONS:
        result[section] = [*(result.get(section) or []), *ours[section]]
    result["current-context"] = ours["current-context"]
    return {"apiVersion": "v1", "kind": "Config", **result}


def removed(existing: Kubeconfig, name: str) -> Kubeconfig:
    """`existing` without the entries called `name`."""
    result = dict(existing)
    for section in SECTIONS:
        if result.get(section):
            result[section] = [entry for entry in result[section] if entry.get("name") != name]
    if result.get("current-context") == name:
        result["current-context"] = ""
    return result


def user_file() -> Path:
    """The file kubectl writes to: the first of $KUBECONFIG, else ~/.kube/config."""
    first = next((p for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p), "")
    return Path(first) if first else Path.home() / ".kube" / "config"


def check_user_file() -> None:
    """Raise a UserError when a context cannot be put into the user's kubeconfig."""
    file = user_file()
    _read(file)
    folder = next(parent for parent in file.resolve().parents if parent.exists())
    if not folder.is_dir():
        raise UserError(f"your kubeconfig {file} cannot be written: {folder} is not a directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"your kubeconfig {file} cannot be written: {folder} is not writable")


def add_context(cluster: ClusterConfig) -> Path:
    """Put the cluster's context into the user's kubeconfig and make it current."""
    file = user_file()
    _write(file, merged(_read(file), standalone(cluster)))
    return file


def remove_context(cluster: ClusterConfig) -> None:
    """Take it out again."""
    file = user_file()
    before = _read(file)
    after = removed(before, cluster.context)
    if after != before:
        _write(file, after)


def text_of(config: Kubeconfig) -> str:
    """As YAML, in the usual order."""
    return yaml.safe_dump(config, sort_keys=False)


def _read(file: Path) -> Kubeconfig:
    try:
        content = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(
            f"your kubeconfig {file} cannot be read, and was left alone: {error.strerror}"
        ) from None
    except (ValueError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise UserError(f"your kubeconfig {file} cannot be read, and was left alone: {text}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(_is_section(content.get(name)) for name in SECTIONS):
        raise UserError(f"your kubeconfig {file} is not a kubeconfig, and was left alone")
    return content


def _is_section(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(entry, dict) for entry in value))


def _write(file: Path, config: Kubeconfig) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = file.resolve()  # a link stays a link
        draft = target.with_name(target.name + ".podyard-tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text_of(config))
        os.replace(draft, target)
    except OSError as error:
        raise UserError(f"your kubeconfig {file} cannot be written: {error.strerror}") from None


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
