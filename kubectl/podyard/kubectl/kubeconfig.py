"""kubeconfig files: where they are, how several are merged, and what a context says.

Source: k8s.io/client-go tools/clientcmd.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podyard.kubectl import yamltext
from podyard.kubectl.configtypes import problems
from podyard.kubectl.errors import CommandError, PlainError
from podyard.kubectl.output import system_text

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
"""The named lists of a kubeconfig, and the key under which an entry's content stands."""

_PATHS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
    "contexts": (),
}


@dataclass(slots=True)
class Config:
    """A kubeconfig, merged from its files: entries by name, and the file each came from."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    current_context: str = ""
    origins: dict[tuple[str, str], Path] = field(default_factory=dict)

    def section(self, name: str) -> dict[str, dict[str, Any]]:
        """The entries of "clusters", "contexts" or "users"."""
        found: dict[str, dict[str, Any]] = getattr(self, name)
        return found

    def document(self) -> dict[str, Any]:
        """As it is shown, and as it is written to a new file."""
        named = {name: {"cluster": "", "user": "", **content} for name, content in self.contexts.items()}
        sections = {"clusters": self.clusters, "contexts": named, "users": self.users}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "current-context": self.current_context,
            **{
                section: [{"name": name, key: value} for name, value in sorted(sections[section].items())]
                or None
                for section, key in SECTIONS.items()
            },
        }


def paths(explicit: str) -> list[Path]:
    """The files to read: --kubeconfig, else $KUBECONFIG, else ~/.kube/config."""
    if explicit:
        return [Path(explicit)]
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return [Path(part) for part in listed]
    return [Path(os.path.expanduser("~")) / ".kube" / "config"]


def load(explicit: str = "") -> Config:
    """Read and merge; what comes first wins. Raises CommandError for an unreadable file."""
    merged = Config()
    for path in paths(explicit):
        document = read(path)
        if document is None:
            continue
        merged.current_context = merged.current_context or str(document.get("current-context") or "")
        for section, key in SECTIONS.items():
            for entry in document.get(section) or ():
                name, content = str(entry.get("name", "")), dict(entry.get(key) or {})
                if name not in merged.section(section):
                    merged.section(section)[name] = _absolute(content, _PATHS[section], path)
                    merged.origins[(section, name)] = path
    return merged


def check_exists(explicit: str) -> None:
    """Raise CommandError when the file of --kubeconfig, which is to be used, is not there."""
    if explicit and not os.path.exists(explicit):
        raise CommandError(f"stat {explicit}: no such file or directory")


def read(path: Path) -> dict[str, Any] | None:
    """One file as it is; None when it does not exist."""
    try:
        document = yamltext.load(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        action = "read" if path.is_dir() else "open"
        raise CommandError(
            f'error loading config file "{path}": {action} {path}: {system_text(error)}'
        ) from None
    except UnicodeDecodeError:
        raise CommandError(f'error loading config file "{path}": it is no text in UTF-8') from None
    except yamltext.YAMLError as error:
        raise CommandError(f'error loading config file "{path}": {yamltext.problem(error)}') from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise CommandError(f'error loading config file "{path}": it is no kubeconfig')
    for problem in problems(document):
        raise CommandError(f'error loading config file "{path}": {problem}')
    return document


def write(path: Path, document: dict[str, Any]) -> None:
    """Replace a file by `document`, whole or not at all; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()
    new = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(yamltext.dump(document))
    os.replace(new, target)


def _absolute(content: dict[str, Any], keys: tuple[str, ...], path: Path) -> dict[str, Any]:
    """File names in a kubeconfig are relative to it."""
    for key in keys:
        if content.get(key):
            content[key] = os.path.join(os.path.abspath(path.parent), str(content[key]))
    return content


@dataclass(slots=True)
class Target:
    """Where to connect and as whom: one cluster, one user, one namespace."""

    cluster: dict[str, Any]
    user: dict[str, Any]
    namespace: str = "default"
    namespace_given: bool = False

    @property
    def server(self) -> str:
        """The base URL, without a slash at its end."""
        server = str(self.cluster.get("server") or "http://localhost:8080")
        return server.rstrip("/") if "://" in server else f"http://{server}".rstrip("/")


_CLUSTER_FLAGS = {
    "server": "server",
    "certificate-authority": "certificate-authority",
    "insecure-skip-tls-verify": "insecure-skip-tls-verify",
    "tls-server-name": "tls-server-name",
}
_USER_FLAGS = {
    "token": "token",
    "client-certificate": "client-certificate",
    "client-key": "client-key",
    "username": "username",
    "password": "password",
    "as": "as",
    "as-uid": "as-uid",
    "as-group": "as-groups",
}


def choose(config: Config, flags: dict[str, Any]) -> Target:
    """What --context, --cluster, --user, --server, --namespace and their like choose.

    `flags` holds only what was given. Without any configuration it is the cluster whose pod this
    program runs in, if it runs in one.
    """
    context_name = flags.get("context") or config.current_context
    context = config.contexts.get(context_name, {})
    if flags.get("context") and context_name not in config.contexts:
        raise PlainError(
            f"Error in configuration: context was not found for specified context: {context_name}"
        )
    cluster_name = flags.get("cluster") or context.get("cluster", "")
    user_name = flags.get("user") or context.get("user", "")
    if flags.get("cluster") and cluster_name not in config.clusters:
        raise CommandError(f'no server found for cluster "{cluster_name}"')
    if flags.get("user") and user_name not in config.users:
        raise CommandError(f'auth info "{user_name}" does not exist')
    cluster = dict(config.clusters.get(cluster_name, {}))
    user = dict(config.users.get(user_name, {}))
    cluster |= {key: flags[flag] for flag, key in _CLUSTER_FLAGS.items() if flags.get(flag)}
    if flags.get("certificate-authority") or flags.get("insecure-skip-tls-verify"):
        cluster.pop("certificate-authority-data", None)
    for flag, key in _USER_FLAGS.items():
        if flags.get(flag):
            user[key] = flags[flag]
            user.pop(f"{key}-data", None)
    namespace = str(flags.get("namespace") or "")
    if not cluster.get("server") and not user and _in_cluster():
        return _in_cluster_target(namespace)
    return Target(cluster, user, namespace or context.get("namespace") or "default", bool(namespace))


def _in_cluster() -> bool:
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").exists()


def _in_cluster_target(namespace: str) -> Target:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    own = SERVICE_ACCOUNT / "namespace"
    return Target(
        {"server": f"https://{host}:{port}", "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt")},
        {"tokenFile": str(SERVICE_ACCOUNT / "token")},
        namespace or (own.read_text().strip() if own.exists() else "") or "default",
        bool(namespace),
    )
