"""The lock of a data directory: who has it, and who only looks."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from podyard.cli.cluster.control import Lock, running_pid
from podyard.process.main import UserError


def test_who_looks_writes_nothing(tmp_path: Path) -> None:
    assert running_pid(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_one_at_a_time(tmp_path: Path) -> None:
    first = Lock(tmp_path)
    assert running_pid(tmp_path) == 0
    first.acquire()
    assert running_pid(tmp_path) == os.getpid()
    with pytest.raises(UserError, match=rf"is running already \(pid {os.getpid()}\)"):
        Lock(tmp_path, "this").acquire()
    first.close()
    assert running_pid(tmp_path) == 0


def test_who_looks_is_not_in_the_way(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with (tmp_path / "up.lock").open() as looks:
        fcntl.flock(looks, fcntl.LOCK_SH)
        looking = threading.Timer(0.1, fcntl.flock, (looks, fcntl.LOCK_UN))
        looking.start()
        lock.acquire()
        looking.join()
    assert running_pid(tmp_path) == os.getpid()
    lock.close()


def test_one_that_has_only_just_been_taken(tmp_path: Path) -> None:
    """Before the pid is in it."""
    with (tmp_path / "up.lock").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)

        def write() -> None:
            taken.write("42")
            taken.flush()

        writing = threading.Timer(0.1, write)
        writing.start()
        assert running_pid(tmp_path) == 42
        writing.join()
