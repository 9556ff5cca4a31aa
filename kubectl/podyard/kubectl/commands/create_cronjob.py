"""kubectl create cronjob."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, container, create, metadata, only_name
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a CronJob that runs an image."""
    name = only_name(session)
    command = session.args[session.flags.dash :] if session.flags.dash >= 0 else []
    made = container(name, session["image"], command)
    pods = {"containers": [made], "restartPolicy": session["restart"] or "OnFailure"}
    template: dict[str, Any] = {"metadata": {"creationTimestamp": None}, "spec": pods}
    job = {"metadata": {"creationTimestamp": None, "name": name}, "spec": {"template": template}}
    obj = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(session, name),
        "spec": {"jobTemplate": job, "schedule": session["schedule"]},
        "status": {},
    }
    create(session, obj, "failed to create cronjob:")
    return 0


COMMAND = Command(
    "create cronjob NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...]",
    "Create a cron job with the specified name",
    run,
    (
        Flag("image", "Image name to run.", required=True),
        Flag("schedule", "A schedule in the Cron format the job should be run with.", required=True),
        Flag("restart", "job's restart policy. supported values: OnFailure, Never"),
        *CREATE_FLAGS,
    ),
    'kubectl create cronjob my-job --image=busybox --schedule="*/1 * * * *" -- date',
)
