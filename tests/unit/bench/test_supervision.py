"""What a benchmark has started ends with it, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SUPERVISOR = """
import sys
from bench import supervision
supervision.GRACE_SECONDS = supervision.TIDY_SECONDS = 0.5
sys.exit(supervision.run(sys.argv[1:]))
"""
# All say a line into one pipe, so each in one write (print makes two when PYTHONUNBUFFERED is set).
PEER = r"import os, time; os.write(1, b'%d\n' % os.getpid()); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + PEER
# One peer has a session of its own, one has lost its parent, as a server in the background.
BENCHMARK = """
import os, subprocess, sys, time
peer = [sys.executable, "-c", sys.argv[1]]
subprocess.Popen(peer, start_new_session=True)
subprocess.run(["sh", "-c", '"$0" "$@" &', *peer])
try:
    os.write(1, b"running\\n")
    sys.stdin.readline()
    exec(sys.argv[2])
finally:
    print("tidied", flush=True)
    exec(sys.argv[3])
"""


class _Run:
    """A supervised benchmark whose peers run."""

    def __init__(self, then: str = "", peer: str = PEER, at_last: str = "") -> None:
        command = [sys.executable, "-c", SUPERVISOR, sys.executable, "-c", BENCHMARK, peer, then, at_last]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        said = [self.process.stdout.readline().strip() for _ in range(3)]
        self.peers = [int(word) for word in said if word != "running"]

    def end(self) -> tuple[int, str]:
        """The exit status and what was said; nobody is left."""
        said, _ = self.process.communicate("\n", timeout=30)
        assert [pid for pid in self.peers if Path(f"/proc/{pid}").exists()] == []
        return self.process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_benchmark_tidy_up_and_ends_all(number: signal.Signals) -> None:
    run = _Run("time.sleep(60)")
    run.process.send_signal(number)
    assert run.end() == (128 + number, "tidied\n")


@pytest.mark.parametrize(("then", "status"), [("pass", 0), ("sys.exit(3)", 3), ("raise ValueError", 1)])
def test_what_a_benchmark_leaves_behind_is_ended(then: str, status: int) -> None:
    assert _Run(then).end() == (status, "tidied\n")


def test_a_killed_benchmark() -> None:
    assert _Run("import os; os.kill(os.getpid(), 9)").end() == (128 + 9, "")


def test_who_does_not_mind_sigterm_is_killed() -> None:
    assert _Run(peer=STUBBORN).end() == (0, "tidied\n")


def test_a_benchmark_that_takes_too_long_to_tidy_up() -> None:
    run = _Run("time.sleep(60)", at_last="time.sleep(60)")
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == (128 + signal.SIGTERM, "tidied\n")
