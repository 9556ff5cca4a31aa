"""kubectl certificate approve. Source: k8s.io/kubectl pkg/cmd/certificates."""

from __future__ import annotations

from podyard.kubectl.certifying import FLAGS, decide
from podyard.kubectl.commands import Command
from podyard.kubectl.session import Session


def run(session: Session) -> None:
    """Approve requests for certificates."""
    decide(session, "Approved", "KubectlApprove")


COMMAND = Command(
    "certificate approve (-f FILENAME | NAME)",
    "Approve a certificate signing request",
    run,
    FLAGS,
    "kubectl certificate approve csr-x",
)
