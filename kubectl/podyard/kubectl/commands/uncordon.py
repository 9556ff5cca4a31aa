"""kubectl uncordon. Source: k8s.io/kubectl pkg/cmd/drain."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.cordoning import nodes, set_schedulable
from podyard.kubectl.printers import DRY_RUN_FLAG
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import SELECTOR_FLAG


def run(session: Session) -> None:
    """Mark nodes as schedulable."""
    set_schedulable(session, nodes(session), True)


COMMAND = Command(
    "uncordon NODE",
    "Mark node as schedulable",
    run,
    (SELECTOR_FLAG, DRY_RUN_FLAG),
    "kubectl uncordon node1",
)
