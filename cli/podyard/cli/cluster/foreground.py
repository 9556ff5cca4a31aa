"""Running a cluster or a node for a user: in this terminal, or in the background."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from podyard.cli.cluster.detached import start_detached
from podyard.cli.cluster.progress import Progress
from podyard.cli.cluster.run import Report
from podyard.cli.cluster.steps import Step
from podyard.process.files import described
from podyard.process.main import UserError, end_with_supervisor


@dataclass(frozen=True, slots=True)
class Job:
    """What is run, and what its user sees of it.

    `run` runs it until it is told to stop, and reports; `podyard WORDS` is the command that does, `path` its
    data directory. `usage` makes the text that is shown when it serves, of what it said and how long it took.
    """

    run: Callable[[Report], Coroutine[Any, Any, None]]
    words: list[str]
    path: Path
    headline: str
    steps: list[Step]
    usage: Callable[[dict[str, object], float], str]


def start(job: Job, *, detach: bool, report_fd: int) -> int:
    """Run it as `podyard.cli.flags.add_running` says; exit status."""
    if report_fd >= 0:
        return _as_background(job, report_fd)
    shown = _Shown(job, detached=detach)
    try:
        if detach:
            return start_detached(job.path, job.words, shown.report)
        uvloop.run(job.run(shown.report))
        print("Stopped.")
        return 0
    finally:
        shown.progress.close()


class _Shown:
    """Turns reports into what the user sees."""

    def __init__(self, job: Job, *, detached: bool) -> None:
        self.progress = Progress(job.headline, job.steps)
        self._usage = job.usage
        self._detached = detached
        self._serving = False

    def report(self, said: dict[str, object]) -> None:
        """Show one report."""
        ready = said.get("ready")
        if isinstance(ready, list) and not self._serving:
            self.progress.update(set(ready))
        if "serving" in said:
            self._serving = True
            self.progress.close()
            print("\n" + self._usage(said, self.progress.elapsed))
            if not self._detached:
                print("Ctrl-C stops it.", flush=True)
        if "stopping" in said:
            self.progress.close()
            print("\nStopping …", flush=True)


def _as_background(job: Job, descriptor: int) -> int:
    """What `start_detached` has started: the same, but its reports go to the one that did."""

    def report(said: dict[str, object]) -> None:
        nonlocal descriptor
        if descriptor < 0:
            return
        try:
            os.write(descriptor, json.dumps(said).encode() + b"\n")
        except OSError:
            said = {"serving": True}  # nobody reads any more
        if "serving" in said or "failed" in said:
            os.close(descriptor)
            descriptor = -1

    os.set_inheritable(descriptor, False)
    end_with_supervisor()
    try:
        uvloop.run(job.run(report))
    except UserError as error:
        report({"failed": str(error)})
        return 1
    except OSError as error:
        report({"failed": described(error)})
        return 1
    return 0
