"""A container's log file in the CRI format, with rotation."""

from __future__ import annotations

import os
import time

MAX_BYTES = 10 * 1024 * 1024  # kubelet's containerLogMaxSize
MAX_FILES = 5  # kubelet's containerLogMaxFiles
MAX_LINE_BYTES = 16 * 1024  # containerd's max_container_log_line_size


def timestamp(nanoseconds: int) -> bytes:
    """RFC 3339 in UTC with nanoseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


class LineSplitter:
    """Cuts one stream's bytes into log entries: whole lines (F), and pieces of long ones (P)."""

    def __init__(self, stream: str) -> None:
        self._head = b" " + stream.encode()
        self._rest = b""

    def feed(self, data: bytes, when: bytes) -> bytes:
        """The entries that `data` completes."""
        full, partial = when + self._head + b" F ", when + self._head + b" P "
        *lines, rest = (self._rest + data).split(b"\n")
        out: list[bytes] = []
        for line in lines:
            while len(line) > MAX_LINE_BYTES:
                out += (partial, line[:MAX_LINE_BYTES], b"\n")
                line = line[MAX_LINE_BYTES:]
            out += (full, line, b"\n")
        while len(rest) > MAX_LINE_BYTES:
            out += (partial, rest[:MAX_LINE_BYTES], b"\n")
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest
        return b"".join(out)

    def end(self, when: bytes) -> bytes:
        """The entry for what is left without a newline when the stream has ended."""
        rest, self._rest = self._rest, b""
        return when + self._head + b" P " + rest + b"\n" if rest else b""


class LogFile:
    """Appends entries; at `max_bytes` the file becomes PATH.1 and the older ones move on.

    A full disk loses entries, not the container: errors are swallowed.
    """

    def __init__(self, path: str, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._size = 0
        self._open()

    def write(self, entries: bytes) -> None:
        """Append whole entries, and rotate when the file is full."""
        if self._fd < 0:
            self._open()
        try:
            while entries:
                written = os.write(self._fd, entries)
                self._size += written
                entries = entries[written:]
            if self._size >= self._max_bytes:
                self._rotate()
        except OSError:
            return

    def close(self) -> None:
        """No more entries come."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._size = os.fstat(self._fd).st_size
        except OSError:
            self._fd = -1  # the directory is gone or full: writing fails, and is swallowed

    def _rotate(self) -> None:
        self.close()
        for number in range(self._max_files - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.exists(older):
                os.replace(older, f"{self._path}.{number}")
        self._open()
