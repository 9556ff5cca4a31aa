"""kubectl rollout history. Source: k8s.io/kubectl pkg/polymorphichelpers/history.go."""

from __future__ import annotations

from typing import Any

from podyard.kubectl import replicasets
from podyard.kubectl.commands import Command
from podyard.kubectl.describe.lines import Lines
from podyard.kubectl.describe.pods import pod_template
from podyard.kubectl.errors import CommandError
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import OUTPUT_FLAGS, printer_for
from podyard.kubectl.rollouts import targets
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import tabbed
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG

_CAUSE = "kubernetes.io/change-cause"


def run(session: Session) -> int:
    """Show the revisions of a Deployment, or one of them."""
    wanted = session["revision"]
    if wanted < 0:
        raise CommandError(f"revision must be a positive integer: {wanted}")
    for info in targets(session).all():
        revisions = _revisions(session, info)
        if wanted and revisions and wanted not in revisions:
            raise CommandError("unable to find the specified revision")
        if session["output"]:
            printer = printer_for(session)
            for number in [wanted] if wanted else sorted(revisions):
                session.out(printer(revisions[number]))
            continue
        text = _one(revisions[wanted]) if wanted and revisions else _table(revisions)
        which = f"with revision #{wanted}" if wanted else ""
        session.out(printer_for(session, f"{which}\n{text}")(info.object))
    return 0


def _revisions(session: Session, info: Info) -> dict[int, dict[str, Any]]:
    if info.resource.kind != "Deployment":
        group = f".{info.resource.group}" if info.resource.group else ""
        raise CommandError(f'no history viewer has been implemented for "{info.resource.kind}{group}"')
    return {replicasets.revision(one): one for one in replicasets.owned(session, info.object)}


def _table(revisions: dict[int, dict[str, Any]]) -> str:
    if not revisions:
        return "No rollout history found."
    rows = ["REVISION\tCHANGE-CAUSE\n"]
    for number in sorted(revisions):
        cause = (revisions[number]["metadata"].get("annotations") or {}).get(_CAUSE) or "<none>"
        rows.append(f"{number}\t{cause}\n")
    return tabbed("".join(rows))


def _one(revision: dict[str, Any]) -> str:
    template = revision["spec"]["template"]
    cause = (revision["metadata"].get("annotations") or {}).get(_CAUSE)
    if cause:
        metadata = template.get("metadata") or {}
        annotations = {**(metadata.get("annotations") or {}), _CAUSE: cause}
        template = {**template, "metadata": {**metadata, "annotations": annotations}}
    return describe_template(template)


def describe_template(template: dict[str, Any]) -> str:
    """A pod template; its tabs are not aligned, as kubectl does not align them here."""
    lines = Lines()
    pod_template(lines, template)
    return lines.text()


COMMAND = Command(
    "rollout history (TYPE NAME | TYPE/NAME) [flags]",
    "View rollout history",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        *OUTPUT_FLAGS,
        Flag("revision", "See the details, including podTemplate of the revision specified", kind="int"),
    ),
    "kubectl rollout history deployment/abc --revision=3",
)
