"""Reading container logs in the Container Runtime Interface's format (pkg/kubelet/kuberuntime/logs).

A line is `TIME STREAM TAG CONTENT`: an RFC 3339 time with nanoseconds, stdout or stderr, F for a
full line or P for a part of one, and what the container wrote.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from podyard.api.times import from_rfc3339

CHUNK_BYTES = 32 * 1024
FOLLOW_SECONDS = 0.1
"""How often a log that somebody follows is looked at. Nothing is looked at otherwise."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What part of a log is wanted, as in PodLogOptions. `since` is in seconds since the epoch."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One stored line; `content` ends with a newline unless the container's line goes on."""

    timestamp: str
    stream: str
    content: bytes

    @property
    def whole(self) -> bool:
        """Whether the container's line ends here."""
        return self.content.endswith(b"\n")


def parse_line(raw: bytes) -> LogLine | None:
    """A stored line, with its newline; None when it is not one (a torn write)."""
    parts = raw.split(b" ", 3)
    if len(parts) != 4 or not raw.endswith(b"\n"):
        return None
    timestamp, stream, tag, content = parts
    if tag.split(b":", 1)[0] == b"P":
        content = content[:-1]
    return LogLine(timestamp.decode("latin-1"), stream.decode("latin-1"), content)


def log_files(path: Path) -> list[Path]:
    """The parts of a log, oldest first: `path`.4, `path`.3 … as rotation left them, then `path`."""
    found: list[tuple[int, Path]] = []
    try:
        for entry in path.parent.iterdir():
            suffix = entry.name.removeprefix(path.name + ".")
            if entry.name == path.name:
                found.append((0, entry))
            elif suffix != entry.name and suffix.isdigit():
                found.append((int(suffix), entry))
    except FileNotFoundError:
        return []
    return [entry for _, entry in sorted(found, reverse=True)]


def render(line: LogLine, *, timestamps: bool, at_line_start: bool) -> bytes:
    """What the reader sees of a line."""
    if timestamps and at_line_start:
        return line.timestamp.encode("latin-1") + b" " + line.content
    return line.content


def tail(lines: Iterator[LogLine], count: int) -> Iterator[LogLine]:
    """The last `count` of the container's lines, whatever number of parts they were stored in."""
    kept: deque[list[LogLine]] = deque(maxlen=max(count, 0))
    current: list[LogLine] = []
    for line in lines:
        current.append(line)
        if line.whole:
            kept.append(current)
            current = []
    if current:
        kept.append(current)
    for group in kept:
        yield from group


def skip_to_tail(files: list[BinaryIO], count: int) -> None:
    """Move each file to where the last `count` lines of all begin, or a little before.

    Reads backwards, so that the end of a large log costs no more than that of a small one.
    """
    for file in reversed(files):
        position = file.seek(0, os.SEEK_END)
        if count < 0:
            continue
        rest = b""
        while position and count >= 0:
            size = min(CHUNK_BYTES, position)
            position = file.seek(position - size)
            head, *entries = (file.read(size) + rest).split(b"\n")
            rest = head  # its beginning may be in the block before
            count -= sum(_ends_line(entry) for entry in entries)
        file.seek(position + (len(rest) + 1 if position else 0))


def _ends_line(entry: bytes) -> bool:
    parts = entry.split(b" ", 3)
    return len(parts) == 4 and parts[2][:1] == b"F"


class _Output:
    """Renders lines up to a limit of bytes and collects them in chunks."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._starts: dict[str, bool] = {}
        self._pending = bytearray()

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._left is not None and self._left <= 0

    def add(self, line: LogLine) -> None:
        start = self._starts.get(line.stream, True)
        data = render(line, timestamps=self._options.timestamps, at_line_start=start)
        self._starts[line.stream] = line.whole
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._pending += data

    def take(self, *, at_least: int = 1) -> Iterator[bytes]:
        """The collected bytes once there are `at_least` so many."""
        if len(self._pending) >= at_least:
            data = bytes(self._pending)
            self._pending.clear()
            yield data


def _stored(files: list[BinaryIO], since: float | None) -> Iterator[LogLine]:
    """The lines of opened files; a torn last line is left for the follower by seeking before it."""
    for file in files:
        while raw := file.readline():
            if not raw.endswith(b"\n"):
                file.seek(-len(raw), os.SEEK_CUR)
                break
            line = parse_line(raw)
            if line is not None and (since is None or from_rfc3339(line.timestamp) >= since):
                yield line


async def read_logs(
    path: Path, options: LogOptions, *, running: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    """Give a container's log in pieces; when following, go on until the container has ended.

    `running` says whether the container may still write. A log that was rotated meanwhile is read
    to its end and then its successor. No file at all is an empty log.
    """
    output = _Output(options)
    files: list[BinaryIO] = [part.open("rb") for part in log_files(path)]
    try:
        lines = _stored(files, options.since)
        if options.tail_lines is not None:
            skip_to_tail(files, options.tail_lines)
            lines = tail(lines, options.tail_lines)
        for line in lines:
            output.add(line)
            for piece in output.take(at_least=CHUNK_BYTES):
                yield piece
                await asyncio.sleep(0)
            if output.full:
                break
        for piece in output.take():
            yield piece
        current = files.pop() if files else None
    finally:
        for file in files:
            file.close()
    if not options.follow or output.full:
        if current:
            current.close()
        return
    async for piece in _follow(path, current, output, running):
        yield piece


async def _follow(
    path: Path, current: BinaryIO | None, output: _Output, running: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    try:
        while not output.full:
            ended = not running()  # asked before reading: what came before the end is not missed
            replaced = current is None or _is_other(current, path)
            if current is not None:
                for line in _stored([current], None):
                    output.add(line)
                    if output.full:
                        break
                for piece in output.take():
                    yield piece
            if replaced and path.exists():
                if current is not None:
                    current.close()
                current = path.open("rb")
            elif ended:
                return
            else:
                await asyncio.sleep(FOLLOW_SECONDS)
    finally:
        if current is not None:
            current.close()


def last_words(path: Path, lines: int, limit: int) -> str:
    """The end of a log as plain text: at most `lines` lines and `limit` bytes."""
    files: list[BinaryIO] = [part.open("rb") for part in log_files(path)]
    try:
        skip_to_tail(files, lines)
        text = b"".join(line.content for line in tail(_stored(files, None), lines))
    finally:
        for file in files:
            file.close()
    return text[-limit:].decode(errors="replace")


def _is_other(file: BinaryIO, path: Path) -> bool:
    """Whether `path` is no longer the file that is open."""
    try:
        return os.fstat(file.fileno()).st_ino != path.stat().st_ino
    except FileNotFoundError:
        return False
