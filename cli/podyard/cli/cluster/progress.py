"""What `up` prints while the cluster starts."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.cluster.steps import Step, done, steps

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """A line for each step as it turns ready; on a terminal, also what is still awaited."""

    def __init__(self, cluster: ClusterConfig) -> None:
        self._steps = steps(cluster)
        self._shown: list[Step] = []
        self._began = time.monotonic()
        self._spinner: Status | None = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._spinner = Console(highlight=False).status("")
            self._spinner.start()
        print(f"Starting cluster {cluster.name} in {cluster.data_dir}", flush=True)
        self.update(set())

    def update(self, ready: set[str]) -> None:
        """Show what `ready`, the names of the ready processes, has added."""
        for step in done(self._steps, ready):
            if step not in self._shown:
                self._shown.append(step)
                self._line(f"  ready  {step.name:<12} {step.address:<24} {self.elapsed:5.2f} s")
        waiting = [step.name for step in self._steps if step not in self._shown]
        if self._spinner:
            self._spinner.update(
                f"waiting for {', '.join(waiting)}" if waiting else "waiting for DNS to answer"
            )

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def close(self) -> None:
        """Take the spinner away."""
        if self._spinner:
            self._spinner.stop()

    def _line(self, text: str) -> None:
        print(text, flush=True)


def how_to_use(cluster: ClusterConfig, kubeconfig: str, seconds: float, *, inside: bool) -> str:
    """What to say when it is ready; `inside` says that it runs in namespaces of its own."""
    name = "" if cluster.name == "podyard" else f" --name {cluster.name}"
    dig = f"dig @{cluster.dns_ip} kubernetes.default.svc.{cluster.cluster_domain}"
    shell = f"podyard shell{name}".ljust(30) + " a shell where cluster and pod addresses and DNS answer"
    return (
        f"Cluster {cluster.name} is ready after {seconds:.2f} s. "
        f"kubectl's context is now {cluster.context} (in {kubeconfig}).\n\n"
        f"  kubectl get nodes -o wide\n"
        f"  kubectl apply -f examples/run-my-nginx.yaml\n"
        f"  {shell if inside else dig}\n"
        f"  podyard status{name}\n"
        f"  podyard down{name}\n"
    )
