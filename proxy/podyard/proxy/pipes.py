"""Pipes for splice(2), kept for reuse."""

from __future__ import annotations

import fcntl
import os

from podyard.proxy.descriptors import Descriptors

PIPE_BYTES = 1 << 20
KEPT = 16
MOST = 256
"""Pipes at a time: what is in them is the kernel's memory, and a client that never reads keeps one full."""


class Pipe:
    """A pipe and how many bytes are in it."""

    __slots__ = ("filled", "read_end", "write_end")

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.filled = 0
        try:
            fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass  # beyond the user's pipe-user-pages-soft: the pipe keeps its 64 KiB

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_end)
        os.close(self.write_end)


class PipePool:
    """Hands out empty pipes. One that comes back with bytes in it is closed, never handed out:
    those bytes are another client's."""

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._free: list[Pipe] = []
        self._given = 0

    def take(self) -> Pipe | None:
        """An empty pipe, or None when there are enough of them, or no descriptors."""
        if self._given >= MOST:
            return None
        if self._free:
            self._given += 1
            return self._free.pop()
        if not self._descriptors.take(2):
            return None
        try:
            pipe = Pipe()
        except OSError:
            self._descriptors.give(2)
            return None
        self._given += 1
        return pipe

    def give(self, pipe: Pipe) -> None:
        """Take a pipe back."""
        self._given -= 1
        if pipe.filled or len(self._free) >= KEPT:
            pipe.close()
            self._descriptors.give(2)
        else:
            self._free.append(pipe)

    def close(self) -> None:
        """Close the pipes that are kept."""
        while self._free:
            self._free.pop().close()
            self._descriptors.give(2)
