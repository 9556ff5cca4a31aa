"""kubectl rollout: the parent of history, pause, restart, resume, status and undo."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "rollout SUBCOMMAND",
    "Manage the rollout of one or many resources",
    children={
        "history": "rollout_history",
        "pause": "rollout_pause",
        "restart": "rollout_restart",
        "resume": "rollout_resume",
        "status": "rollout_status",
        "undo": "rollout_undo",
    },
)
