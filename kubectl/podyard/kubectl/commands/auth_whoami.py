"""kubectl auth whoami."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import UsageError
from podyard.kubectl.gotext import go_print
from podyard.kubectl.printers import OUTPUT_FLAGS, document_printer, output_format
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import tabbed

_VERSION = "authentication.k8s.io/v1"


def run(session: Session) -> int:
    """Show whom the server takes us for."""
    if session.args:
        raise UsageError(session.command, f"unexpected arguments: [{' '.join(session.args)}]")
    review = {"apiVersion": _VERSION, "kind": "SelfSubjectReview", "metadata": {"creationTimestamp": None}}
    answer = session.transport.json("POST", f"/apis/{_VERSION}/selfsubjectreviews", body=review)
    if output_format(session)[0]:
        session.out(document_printer(session)({**review, **answer}))
        return 0
    rows = [("ATTRIBUTE", "VALUE"), *_rows(answer["status"]["userInfo"])]
    session.out(tabbed("".join(f"{name}\t{value}\n" for name, value in rows), 6, 3))
    return 0


def _rows(user: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("Username", str(user.get("username", "")))]
    if user.get("uid"):
        rows.append(("UID", str(user["uid"])))
    if user.get("groups"):
        rows.append(("Groups", go_print(user["groups"])))
    extra = user.get("extra") or {}
    return [*rows, *((f"Extra: {name}", go_print(extra[name])) for name in sorted(extra))]


COMMAND = Command(
    "auth whoami",
    "Experimental: Check self subject attributes",
    run,
    OUTPUT_FLAGS,
    "kubectl auth whoami",
)
