"""`podyard up -d`: starts `podyard up` in the background, and shows how far it is until it serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from podyard.cli.cluster.run import Report
from podyard.process.main import UserError


def start_detached(path: Path, words: list[str], show: Report) -> int:
    """Run `podyard WORDS` in the background, show its reports until it serves or fails; exit status.

    When it is interrupted before that it ends what it has started, and raises KeyboardInterrupt.
    """
    start = _Start(path / "logs" / "up.log", show)
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, start.interrupt)
    try:
        failure = start.run(words)
    finally:
        signal.signal(signal.SIGINT, before)
    if start.interrupted:
        start.wait()
        raise KeyboardInterrupt
    if failure is not None:
        start.wait()
        raise UserError(failure or f"it did not start; {start.log} says more")
    return 0


class _Start:
    """One start. An interrupt must not lose the process: it is told to end, and its end is awaited."""

    def __init__(self, log: Path, show: Report) -> None:
        self.log = log
        self.interrupted = False
        self._show = show
        self._child: subprocess.Popen[bytes] | None = None

    def interrupt(self, *_: object) -> None:
        """The handler of SIGINT."""
        self.interrupted = True
        if self._child is not None:
            self._child.terminate()

    def run(self, words: list[str]) -> str | None:
        """Start it and show its reports. None when it serves, else what it says of its failure, or ""."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        reader, writer = os.pipe()
        with os.fdopen(reader) as reports:
            try:
                self._child = self._spawn(words, writer)
            finally:
                os.close(writer)
            if self.interrupted:
                self._child.terminate()
            return self._follow(reports)

    def wait(self) -> None:
        """Return when it has ended."""
        if self._child is not None:
            self._child.wait()

    def _spawn(self, words: list[str], writer: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "podyard.cli", *words, "--report-fd", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writer],
                start_new_session=True,
            )

    def _follow(self, reports: Iterable[str]) -> str | None:
        for line in reports:
            said = json.loads(line)
            if "failed" in said:
                return str(said["failed"])
            if "serving" in said and self.interrupted:
                return ""  # it has been told to end
            self._show(said)
            if "serving" in said:
                return None
        return ""
