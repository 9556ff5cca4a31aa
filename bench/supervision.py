"""A command whose processes all end with it, however it ends.

Benchmarks start peers, clusters and load programs, in sessions of their own or in the background. Who
runs the benchmark is their subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)): what loses its parent becomes
its child, so that nothing is ever out of sight.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Sequence

from bench.processes import family

TIDY_SECONDS = 30.0
"""How long a benchmark that is told to end has for ending what it has started in its own way."""
GRACE_SECONDS = 5.0
"""How long what is left then has to end after SIGTERM."""
POLL_SECONDS = 0.02

_SUBREAPER = 36
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


class _Stop(BaseException):
    """A signal has come, or the alarm clock; its number is the argument."""


def run(command: Sequence[str]) -> int:
    """Run it to its end; give its exit status, or 128 and the signal that has ended it, or us."""
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    for number in _STOPS:
        signal.signal(number, _stop)
    # In a session of its own: Ctrl-C comes to us alone, who pass it on once.
    process = subprocess.Popen(command, start_new_session=True)
    try:
        status = _ended(process)
    except _Stop as stop:
        status = -int(stop.args[0])
        process.send_signal(signal.SIGINT)  # a KeyboardInterrupt: what is open is closed
        with contextlib.suppress(_Stop):  # time is up, or Ctrl-C was pressed again
            signal.setitimer(signal.ITIMER_REAL, TIDY_SECONDS)
            _ended(process)
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    _end_descendants()
    return 128 - status if status < 0 else status


def _stop(number: int, _frame: object) -> None:
    raise _Stop(number)


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for it, and bury the others that have become our children."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode


def _end_descendants() -> None:
    """End all: SIGTERM, then SIGKILL for those whom that does not end."""
    deadline = time.monotonic() + GRACE_SECONDS
    asked: set[int] = set()
    while found := _descendants():
        late = time.monotonic() > deadline
        for pid in found:
            if late or pid not in asked:
                asked.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(POLL_SECONDS)


def _descendants() -> list[int]:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return family(os.getpid())[1:]
