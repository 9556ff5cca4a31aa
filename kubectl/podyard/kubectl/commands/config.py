"""kubectl config: the parent of the commands that show and change kubeconfig files."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "config SUBCOMMAND",
    'Modify kubeconfig files using subcommands like "kubectl config set current-context my-context"',
    children={
        "current-context": "config_current_context",
        "delete-cluster": "config_delete_cluster",
        "delete-context": "config_delete_context",
        "delete-user": "config_delete_user",
        "get-clusters": "config_get_clusters",
        "get-contexts": "config_get_contexts",
        "get-users": "config_get_users",
        "rename-context": "config_rename_context",
        "set": "config_set",
        "set-cluster": "config_set_cluster",
        "set-context": "config_set_context",
        "set-credentials": "config_set_credentials",
        "unset": "config_unset",
        "use": "config_use_context",
        "use-context": "config_use_context",
        "view": "config_view",
    },
)
