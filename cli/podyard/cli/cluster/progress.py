"""What `up` prints while the cluster starts."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from podyard.cli.cluster.config import DEFAULT_NAME, ClusterConfig
from podyard.cli.cluster.steps import Step, done

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """A line for each step as it turns ready; on a terminal, also what is still awaited."""

    def __init__(self, headline: str, steps: list[Step]) -> None:
        self._steps = steps
        self._shown: list[Step] = []
        self._began = time.monotonic()
        self._spinner: Status | None = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._spinner = Console(highlight=False).status("")
            self._spinner.start()
        print(headline, flush=True)
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


def how_to_use(cluster: ClusterConfig, said: dict[str, object], seconds: float) -> str:
    """What to say when it is ready and has reported what it `said`."""
    name = "" if cluster.name == DEFAULT_NAME else f" --name {cluster.name}"
    ready = (
        f"Cluster {cluster.name} is ready after {seconds:.2f} s. "
        f"kubectl's context is now {cluster.context} (in {said['serving']}).\n\n"
    )
    if cluster.advertise:
        return (
            f"{ready}On every host that is to be a node, within {said['hours']} hours:\n\n"
            f"  {said['join']}\n\n"
            "  kubectl get nodes -o wide\n"
            f"  podyard token create{name} --print-join-command\n"
            f"  podyard status{name}\n"
            f"  podyard down{name}\n"
        )
    dig = f"dig @{cluster.dns_ip} kubernetes.default.svc.{cluster.cluster_domain}"
    shell = f"podyard shell{name}".ljust(30) + " a shell where cluster and pod addresses and DNS answer"
    note = f"\nNote: {said['note']}\n" if said.get("note") else ""
    return (
        f"{ready}"
        f"  kubectl get nodes -o wide\n"
        f"  kubectl apply -f examples/run-my-nginx.yaml\n"
        f"  {shell if said['inside'] else dig}\n"
        f"  podyard status{name}\n"
        f"  podyard down{name}\n"
        f"{note}"
    )
