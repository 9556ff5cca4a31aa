"""`podyard demo` by itself, interrupted, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import PODYARD, eventually


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, which has come to its first pods."""
    env = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*PODYARD, "demo"], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "# Each pod has an address" in line:
                break
        yield process


def processes_of(folder: Path) -> list[int]:
    """Every process that has the folder in its command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_ctrl_c_leaves_nothing(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert processes_of(tmp_path)
    demo.send_signal(signal.SIGINT)
    assert demo.stdout is not None
    assert "Nothing is left of it." in demo.stdout.read()
    assert demo.wait(30) != 0
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.glob("podyard-demo-*"))


def test_a_killed_demo_leaves_no_process(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert processes_of(tmp_path)
    demo.kill()
    eventually(lambda: processes_of(tmp_path) == [], 60)
