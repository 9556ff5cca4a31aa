"""kubectl create job."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, container, create, metadata, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Job that runs an image, or one as a CronJob would make it now."""
    name = only_name(session)
    command = session.args[session.flags.dash :] if session.flags.dash >= 0 else []
    if bool(session["image"]) == bool(session["from"]):
        raise CommandError("either --image or --from must be specified")
    if session["from"] and command:
        raise CommandError("cannot specify --from and command")
    obj: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(session, name),
        "spec": {
            "template": {
                "metadata": {"creationTimestamp": None},
                "spec": {
                    "containers": [container(name, session["image"], command)],
                    "restartPolicy": "Never",
                },
            }
        },
        "status": {},
    }
    if session["from"]:
        _from_cron_job(session, obj)
    create(session, obj, "failed to create job:")
    return 0


def _from_cron_job(session: Session, job: dict[str, Any]) -> None:
    kind, _, name = session["from"].partition("/")
    resource = session.discovery.find(kind)
    if resource.kind != "CronJob" or not name:
        raise CommandError("from must be an existing cronjob")
    cron = session.transport.json("GET", resource.path(session.namespace, name))
    template = cron["spec"]["jobTemplate"]
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    job["metadata"] |= {
        "annotations": {**annotations, "cronjob.kubernetes.io/instantiate": "manual"},
        "labels": (template.get("metadata") or {}).get("labels") or {},
        "ownerReferences": [
            {
                "apiVersion": resource.group_version,
                "kind": "CronJob",
                "name": name,
                "uid": cron["metadata"]["uid"],
                "controller": True,
            }
        ],
    }
    job["spec"] = template["spec"]


COMMAND = Command(
    "create job NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]",
    "Create a job with the specified name",
    run,
    (
        Flag("image", "Image name to run."),
        Flag("from", "The name of the resource to create a Job from (only cronjob is supported)."),
        *CREATE_FLAGS,
    ),
    "kubectl create job my-job --image=busybox -- date",
)
