"""kubectl certificate deny. Source: k8s.io/kubectl pkg/cmd/certificates."""

from __future__ import annotations

from podyard.kubectl.certifying import FLAGS, decide
from podyard.kubectl.commands import Command
from podyard.kubectl.session import Session


def run(session: Session) -> None:
    """Deny requests for certificates."""
    decide(session, "Denied", "KubectlDeny")


COMMAND = Command(
    "certificate deny (-f FILENAME | NAME)",
    "Deny a certificate signing request",
    run,
    FLAGS,
    "kubectl certificate deny csr-x",
)
