"""Defaults of HorizontalPodAutoscaler (pkg/apis/autoscaling/v1 and v2)."""

from __future__ import annotations

from typing import Any

from podyard.api.defaults.fill import Object, child, set_default

_CPU_UTILIZATION = 80


def horizontal_pod_autoscaler_v1(obj: Object) -> None:
    """In v1: one replica at least. The metric is the controller's affair."""
    set_default(child(obj, "spec"), "minReplicas", 1)


def horizontal_pod_autoscaler_v2(obj: Object) -> None:
    """In v2: one replica at least, 80 % of the CPU request, and the standard scaling rules."""
    spec = child(obj, "spec")
    set_default(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": _CPU_UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is None:
        return
    # Both directions are completed as soon as one is given.
    up = [_policy("Pods", 4), _policy("Percent", 100)]
    _rules(child(behavior, "scaleUp"), stabilization=0, policies=up)
    _rules(child(behavior, "scaleDown"), stabilization=None, policies=[_policy("Percent", 100)])


def _policy(kind: str, value: int) -> dict[str, Any]:
    return {"type": kind, "value": value, "periodSeconds": 15}


def _rules(rules: Object, *, stabilization: int | None, policies: list[dict[str, Any]]) -> None:
    if stabilization is not None:
        set_default(rules, "stabilizationWindowSeconds", stabilization)
    set_default(rules, "selectPolicy", "Max")
    if not rules.get("policies"):
        rules["policies"] = policies
