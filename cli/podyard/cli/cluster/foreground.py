"""Running a cluster or a node for a user: in this terminal, or in the background."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from podyard.cli.cluster.progress import Progress
from podyard.cli.cluster.run import Report, start_detached
from podyard.process.main import UserError, end_with_supervisor

Run = Callable[[Report], Coroutine[Any, Any, None]]
"""Runs it until it is told to stop, and reports."""


class Shown:
    """Turns reports into what the user sees. `usage` makes the text that is shown when it serves."""

    def __init__(
        self, progress: Progress, usage: Callable[[dict[str, object], float], str], *, detached: bool
    ) -> None:
        self.progress = progress
        self._usage = usage
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


def in_foreground(run: Run, shown: Shown) -> int:
    """Run it here until Ctrl-C; exit status."""
    try:
        uvloop.run(run(shown.report))
        print("Stopped.")
        return 0
    finally:
        shown.progress.close()


def in_background(path: Path, words: list[str], shown: Shown) -> int:
    """Run `podyard WORDS` for itself, and come back when it serves; exit status."""
    try:
        return start_detached(path, words, shown.report)
    finally:
        shown.progress.close()


def as_background(run: Run, descriptor: int) -> int:
    """What `in_background` has started: the same, but its reports go to the one that did."""

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
        uvloop.run(run(report))
    except UserError as error:
        report({"failed": str(error)})
        return 1
    return 0
