"""kubectl create poddisruptionbudget."""

from __future__ import annotations

import re
from typing import Any

from podyard.api.selectors import parse_label_selector
from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a PodDisruptionBudget."""
    name = only_name(session)
    fields = {"minAvailable": session["min-available"], "maxUnavailable": session["max-unavailable"]}
    given = {field: text for field, text in fields.items() if text}
    if not session["selector"]:
        raise CommandError("a selector must be specified")
    if not given:
        raise CommandError("one of min-available or max-unavailable must be specified")
    if len(given) > 1:
        raise CommandError("min-available and max-unavailable cannot be both specified")
    for flag in ("min-available", "max-unavailable"):
        if session[flag] and not re.fullmatch(r"[0-9]+%?", session[flag]):
            raise CommandError(f"invalid format specified for {flag}")
    spec: dict[str, Any] = {field: int(text) if text.isdigit() else text for field, text in given.items()}
    spec["selector"] = {"matchLabels": _labels(session["selector"])}
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    obj = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(session, name),
        "spec": spec,
        "status": dict.fromkeys(counts, 0),
    }
    create(session, obj, "failed to create poddisruptionbudgets:")
    return 0


def _labels(selector: str) -> dict[str, str]:
    """The labels of a selector that consists of equalities. Raises CommandError."""
    try:
        parse_label_selector(selector)
        pairs = (part.replace("==", "=").split("=") for part in selector.split(","))
        return {key.strip(): value.strip() for key, value in pairs}
    except ValueError:
        raise CommandError(f"--selector {selector}: expected KEY=VALUE,…") from None


COMMAND = Command(
    "create poddisruptionbudget NAME --selector=SELECTOR --min-available=N",
    "Create a pod disruption budget with the specified name",
    run,
    (
        Flag("selector", "A label selector to use for this budget: equalities only."),
        Flag("min-available", "The minimum number or percentage of available pods this budget requires."),
        Flag("max-unavailable", "The maximum number or percentage of unavailable pods this budget allows."),
        *CREATE_FLAGS,
    ),
    "kubectl create poddisruptionbudget my-pdb --selector=app=rails --min-available=1",
)
