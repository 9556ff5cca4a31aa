"""The kubelet's own metrics."""

from __future__ import annotations

from prometheus_client import Gauge

from podyard.kubelet.kubelet import Kubelet


def export_metrics(kubelet: Kubelet) -> None:
    """Make the numbers of `kubelet` appear among the process' metrics."""
    pods = Gauge("kubelet_running_pods", "Pods that have a running sandbox.")
    pods.set_function(lambda: sum(w.observed.ready_sandbox is not None for w in kubelet.workers()))
    containers = Gauge("kubelet_running_containers", "Containers that run.")
    containers.set_function(lambda: sum(len(w.observed.running()) for w in kubelet.workers()))
