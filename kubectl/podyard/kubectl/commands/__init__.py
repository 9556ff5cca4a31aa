"""The commands, one module each.

A module has `COMMAND`, a `Command`: its flags and `run(session)`, which writes to the session and
raises CommandError; the status is 0 unless it gives another. A command with `children` is only the
parent of others (`kubectl rollout status`). Modules are imported when they are called for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

Run = Callable[[Session], int | None]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `usage` is what follows "kubectl"; `children` names sub-commands' modules."""

    usage: str
    short: str
    run: Run | None = None
    flags: tuple[Flag, ...] = ()
    example: str = ""
    children: Mapping[str, str] = field(default_factory=dict)


COMMANDS: Mapping[str, tuple[str, str]] = {
    "create": ("create", "Create a resource from a file or from stdin"),
    "expose": ("expose", "Take a deployment, service or pod and expose it as a new Kubernetes service"),
    "run": ("run", "Run a particular image on the cluster"),
    "set": ("set", "Set specific features on objects"),
    "explain": ("explain", "Get documentation for a resource"),
    "get": ("get", "Display one or many resources"),
    "edit": ("edit", "Edit a resource on the server"),
    "delete": ("delete", "Delete resources by file names, stdin, resources and names, or by label"),
    "rollout": ("rollout", "Manage the rollout of a resource"),
    "scale": ("scale", "Set a new size for a deployment, replica set, or replication controller"),
    "certificate": ("certificate", "Modify certificate resources"),
    "cluster-info": ("cluster_info", "Display cluster information"),
    "cordon": ("cordon", "Mark node as unschedulable"),
    "uncordon": ("uncordon", "Mark node as schedulable"),
    "drain": ("drain", "Drain node in preparation for maintenance"),
    "describe": ("describe", "Show details of a specific resource or group of resources"),
    "logs": ("logs", "Print the logs for a container in a pod"),
    "attach": ("attach", "Attach to a running container"),
    "exec": ("exec", "Execute a command in a container"),
    "port-forward": ("port_forward", "Forward one or more local ports to a pod"),
    "proxy": ("proxy", "Run a proxy to the Kubernetes API server"),
    "cp": ("cp", "Copy files and directories to and from containers"),
    "apply": ("apply", "Apply a configuration to a resource by file name or stdin"),
    "patch": ("patch", "Update fields of a resource"),
    "replace": ("replace", "Replace a resource by file name or stdin"),
    "wait": ("wait", "Wait for a specific condition on one or many resources"),
    "label": ("label", "Update the labels on a resource"),
    "annotate": ("annotate", "Update the annotations on a resource"),
    "api-resources": ("api_resources", "Print the supported API resources on the server"),
    "api-versions": ("api_versions", "Print the supported API versions on the server"),
    "auth": ("auth", "Inspect authorization"),
    "top": ("top", "Display resource (CPU/memory) usage: not available"),
    "options": ("options", "List the flags that every command takes"),
    "config": ("config", "Modify kubeconfig files"),
    "version": ("version", "Print the client and server version information"),
}
"""Name: module and what it does."""


def load(module: str) -> Command:
    """The command of a module of this package."""
    found: Command = importlib.import_module(f"{__name__}.{module}").COMMAND
    return found
