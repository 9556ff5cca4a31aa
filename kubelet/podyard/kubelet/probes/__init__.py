"""Probes: is a container started, alive, ready?

A *prober* (`http`, `tcp`, `grpc_health`, `command`) asks once and gives a `ProbeResult`; it never
raises. `decision` counts results against the thresholds and is pure. `worker` does one probe of one
container in time; `manager` keeps the workers of the pods in step with their containers.

As k8s.io/kubernetes/pkg/probe and pkg/kubelet/prober.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["success", "warning", "failure", "unknown"]
ProbeKind = Literal["Startup", "Liveness", "Readiness"]

PROBE_FIELDS: dict[ProbeKind, str] = {
    "Startup": "startupProbe",
    "Liveness": "livenessProbe",
    "Readiness": "readinessProbe",
}
"""Each kind of probe and the container's field that asks for it."""

MAX_OUTPUT_BYTES = 10 * 1024
"""How much of an answer is kept for a message."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one attempt gave. `output` says why it failed, in the words that the Event repeats.

    A warning is a success that deserves an Event; unknown means that it could not be tried.
    """

    outcome: Outcome
    output: str = ""
