"""A command on a terminal, and somebody who types at its prompt."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROWS, COLUMNS = 24, 120
PRESS_ENTER_SECONDS = 0.5


class Terminal:
    """Runs `command` on a terminal; `show` gets whatever appears there."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], folder: Path, show: Callable[[str], None]
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._child = subprocess.Popen(
            command, env=env, cwd=folder, stdin=slave, stdout=slave, stderr=slave, preexec_fn=_take_terminal
        )
        os.close(slave)
        self._show = show
        self._text = ""
        self._begin = 0
        self._open = True

    def type(self, line: str) -> None:
        """Type a line; `said` begins anew."""
        self._begin = len(self._text)
        os.write(self._master, line.encode() + b"\r")

    @property
    def said(self) -> str:
        """What has appeared since the last line was typed."""
        return self._text[self._begin :]

    def wait(self, enough: Callable[[], bool], seconds: float) -> bool:
        """Read until `enough` or until nothing more comes; whether it was enough."""
        end = time.monotonic() + seconds
        while not enough():
            left = end - time.monotonic()
            if left <= 0 or not self._open:
                return False
            self._read(left)
        return True

    def finish(self, seconds: float) -> int | None:
        """Wait for the command's end: its exit status, or None when it does not end."""
        self.wait(lambda: False, seconds)
        try:
            return self._child.wait(1)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """End the command if it still runs."""
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> None:
        if not select.select([self._master], [], [], seconds)[0]:
            return
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        self._open = bool(data)
        text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "")
        self._text += text
        self._show(text)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def prompt_in(text: str) -> bool:
    """Whether the text ends with a prompt, be it `[ root@curl:/ ]$ `, `# ` or `$ `."""
    return re.search(r"(^|\])[$#] \Z", text, re.MULTILINE) is not None
