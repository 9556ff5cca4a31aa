"""Deployments and Jobs; the other controllers' kinds have the base strategy."""

from __future__ import annotations

from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import Context, Strategy, keep

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"


class DeploymentStrategy(Strategy):
    """A Deployment."""

    def prepare_status(self, new: Object, old: Object, context: Context) -> None:
        """Labels are not the controller's to change."""
        super().prepare_status(new, old, context)
        keep(new["metadata"], old["metadata"], "labels")


class JobStrategy(Strategy):
    """A Job selects its own pods by its uid, unless the user took that on."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Make the selector and the template's labels (pkg/registry/batch/job generateSelector)."""
        super().prepare_create(new, context)
        spec = new.setdefault("spec", {})
        if spec.get("manualSelector"):
            return
        metadata = new["metadata"]
        template = spec.setdefault("template", {})
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        own = {
            "controller-uid": metadata["uid"],
            "job-name": metadata["name"],
            CONTROLLER_UID: metadata["uid"],
            JOB_NAME: metadata["name"],
        }
        for key, value in own.items():
            labels.setdefault(key, value)
        selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
        selector.setdefault(CONTROLLER_UID, metadata["uid"])
