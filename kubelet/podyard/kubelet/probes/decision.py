"""Counting probe results against thresholds (pkg/kubelet/prober/worker.go). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podyard.kubelet.probes import Outcome, ProbeKind

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProbeState:
    """Where one probe of one running container stands.

    `good` is the decision in force: None before a startup probe has decided. `last` and `run` are
    the latest raw result and how often it came in a row.
    """

    good: bool | None
    last: bool | None = None
    run: int = 0


def initial_state(kind: ProbeKind) -> ProbeState:
    """A container starts out alive, not ready, and not known to have started."""
    return ProbeState({"Startup": None, "Liveness": True, "Readiness": False}[kind])


def next_state(state: ProbeState, outcome: Outcome, probe: Object) -> ProbeState:
    """Count one result; the decision changes when its threshold is reached. Unknown ones do not count."""
    if outcome == "unknown":
        return state
    success = outcome != "failure"
    run = state.run + 1 if state.last == success else 1
    threshold = probe.get("successThreshold") or 1 if success else probe.get("failureThreshold") or 3
    return ProbeState(success if run >= threshold else state.good, success, run)
