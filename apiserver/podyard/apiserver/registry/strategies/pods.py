"""Pods: quality of service, phases, graceful deletion."""

from __future__ import annotations

from podyard.api.quantities import parse_quantity
from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import Context, Strategy, keep

DEFAULT_GRACE_SECONDS = 30


class PodStrategy(Strategy):
    """A pod."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """A pod begins Pending, in the class that its resources put it in."""
        spec = new.setdefault("spec", {})
        status: Object = {"phase": "Pending", "qosClass": qos_class(spec)}
        if spec.get("schedulingGates"):
            status["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }
            ]
        new["status"] = status

    def prepare_status(self, new: Object, old: Object, context: Context) -> None:
        """The class stays; the list of addresses follows the one address."""
        super().prepare_status(new, old, context)
        status = new.setdefault("status", {})
        keep(status, old.get("status", {}), "qosClass")
        for one, many in (("podIP", "podIPs"), ("hostIP", "hostIPs")):
            if status.get(one) and not status.get(many):
                status[many] = [{"ip": status[one]}]

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """What is asked, else the pod's own; none for a pod that no kubelet has, or that has ended."""
        spec = obj.get("spec", {})
        period = asked
        if period is None:
            period = spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
        if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Failed", "Succeeded"):
            return 0
        return period if period >= 0 else 1


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/v1/helper/qos)."""
    requests: set[bool] = set()
    guaranteed = True
    for container in [*spec.get("containers", ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        limits = _positive(resources.get("limits"))
        asked = {**limits, **_positive(resources.get("requests"))}
        requests.add(bool(asked))
        if set(limits) != {"cpu", "memory"} or asked != limits:
            guaranteed = False
    if not any(requests):
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(amounts: Object | None) -> Object:
    parsed = {name: parse_quantity(value) for name, value in (amounts or {}).items()}
    return {name: value for name, value in parsed.items() if name in ("cpu", "memory") and value > 0}
