"""A program in a terminal of its own, as a person would use it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType


class Terminal:
    """Runs `command` with a terminal of `rows` and `columns`. At the end of the block it is gone."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], *, rows: int = 33, columns: int = 101
    ) -> None:
        self._ours, theirs = os.openpty()
        self.resize(rows, columns)
        self._unread = b""
        self.screen = ""
        """All that it has shown."""
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)

    def resize(self, rows: int, columns: int) -> None:
        """As if the window were made so large."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys; \\r is Enter, \\x03 is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def see(self, text: str, *, seconds: float = 20) -> str:
        """Wait until it shows `text` after what has been seen so far; gives what came up to its end.

        Lines end with \\n here. Raises AssertionError when it does not come.
        """
        end = time.monotonic() + seconds
        while (at := self._unread.find(text.encode())) < 0:
            if not self._read(end):
                raise AssertionError(f"{text!r} has not come, but {self._unread.decode(errors='replace')!r}")
        seen, self._unread = self._unread[: at + len(text)], self._unread[at + len(text) :]
        return seen.decode()

    def exit_code(self, *, seconds: float = 20) -> int:
        """Wait for its end; reads what it still shows, into `screen`."""
        end = time.monotonic() + seconds
        while self._read(end):
            continue
        return self.process.wait(max(0.1, end - time.monotonic()))

    def _read(self, end: float) -> bool:
        """Take in what it shows; False when there is nothing more, or no more time."""
        ready, _, _ = select.select([self._ours], [], [], max(0, end - time.monotonic()))
        try:
            data = os.read(self._ours, 65536) if ready else b""
        except OSError:  # EIO: nobody has it open any more
            data = b""
        data = data.replace(b"\r", b"")
        self._unread += data
        self.screen += data.decode(errors="replace")
        return bool(data)
