"""kubectl config: the parent of the commands that show and change kubeconfig files."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "config SUBCOMMAND",
    'Modify kubeconfig files using subcommands like "kubectl config set current-context my-context"',
    children={
        "current-context": "config_current_context",
        "delete-context": "config_delete_context",
        "get-clusters": "config_get_clusters",
        "get-contexts": "config_get_contexts",
        "set-context": "config_set_context",
        "use": "config_use_context",
        "use-context": "config_use_context",
        "view": "config_view",
    },
)
