"""The `podyard` command itself: output that cannot be written, interrupts."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

FULL = "podyard: standard output: No space left on device\n"


def _podyard(words: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """Run it in a shell; what `shell` says stands behind it."""
    command = f"{sys.executable} -m podyard.cli {words} {shell}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["version", "--help", "status --help"])
def test_a_full_disk(words: str) -> None:
    done = _podyard(words, ">/dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)


def test_an_output_that_is_closed() -> None:
    done = _podyard("version", ">&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_exit_statuses_of_flags() -> None:
    assert _podyard("status --help").returncode == 0
    done = _podyard("status --nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("podyard: error: unrecognized arguments: --nonsense\n")


INTERRUPTED = """
import os, signal, sys
from podyard.cli import main
load = main.importlib.import_module
def slowly(name):
    os.kill(os.getpid(), signal.SIGINT)
    return load(name)
main.importlib.import_module = slowly
sys.exit(main.main(["version"]))
"""


def test_an_interrupt_while_modules_are_imported() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_an_interrupt_that_is_ignored(tmp_path: Path) -> None:
    """As for what a script has started in the background."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    done = subprocess.run(
        ["sh", "-c", f"trap '' INT; exec {sys.executable} {script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("podyard ")
