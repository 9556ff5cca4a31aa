"""A container's own streams: its log, its terminal or pipes, and the clients that are attached."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable

from podyard.kubelet.shim.log import LineSplitter, LogFile, timestamp
from podyard.kubelet.shim.loop import READ, WRITE, Loop

CHUNK_BYTES = 64 * 1024
CLIENT_BACKLOG_BYTES = 256 * 1024
EARLY_BYTES = 64 * 1024
LAST_BYTES = 1024 * 1024  # as much as a pipe holds at most, unless root has made it hold more


class Writer:
    """Writes to a descriptor that may be slow, and closes it at the end. Owns the descriptor."""

    def __init__(self, loop: Loop, fd: int, emptied: Callable[[], None] = lambda: None) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.waiting = b""
        self._loop = loop
        self._ending = False
        self._emptied = emptied

    def write(self, data: bytes) -> None:
        """Write now what goes, the rest later. When the reader is gone the data is dropped."""
        self.waiting += data
        self._flush(0)

    def end(self) -> None:
        """Close once everything is written."""
        self._ending = True
        self._flush(0)

    def close(self) -> None:
        """Close now."""
        if self.fd >= 0:
            self._loop.forget(self.fd)
            os.close(self.fd)
            self.fd = -1
        self.waiting = b""

    def _flush(self, events: int) -> None:
        if self.fd < 0:
            self.waiting = b""
            return
        try:
            while self.waiting:
                self.waiting = self.waiting[os.write(self.fd, self.waiting) :]
        except BlockingIOError:
            self._loop.watch(self.fd, WRITE, self._flush)
            return
        except OSError:
            self.close()
        if self._ending:
            self.close()
        elif self.fd >= 0:
            self._loop.forget(self.fd)
        if events:
            self._emptied()


def last_of(output: list[tuple[str, bytes]], stream: str, data: bytes, most: int) -> list[tuple[str, bytes]]:
    """What was written last: of `output`, and then of `data` to a stream, so many bytes at most."""
    *before, last = output or [(stream, b"")]
    # One part for as long as it is the same stream: a program may write byte by byte.
    parts = [*before, (stream, last[1] + data)] if last[0] == stream else [*output, (stream, data)]
    kept: list[tuple[str, bytes]] = []
    for name, part in reversed(parts):
        if most <= 0:
            break
        kept.append((name, part[-most:]))
        most -= len(part)
    return kept[::-1]


class AttachedClient:
    """Somebody who follows the container's streams. While one `lags`, the container's output waits."""

    def __init__(self, streams: ContainerStreams, stdin: int, stdout: int, stderr: int) -> None:
        self._streams = streams
        self._loop = streams.loop
        self._stdin = stdin
        self._outputs = {
            "stdout": Writer(self._loop, stdout, streams.caught_up),
            "stderr": Writer(self._loop, stderr, streams.caught_up),
        }
        if stdin >= 0:
            os.set_blocking(stdin, False)
            self.resume()

    def output(self, stream: str, data: bytes) -> None:
        """The container has written."""
        self._outputs[stream].write(data)
        if all(writer.fd < 0 for writer in self._outputs.values()):
            self.close()  # nobody reads any more

    @property
    def lags(self) -> bool:
        """Whether it has not taken what the container has written so far."""
        return any(len(writer.waiting) > self._streams.backlog_bytes for writer in self._outputs.values())

    def resume(self) -> None:
        """The container takes input (again)."""
        if self._stdin >= 0:
            self._loop.watch(self._stdin, READ, self._input)

    def _input(self, events: int) -> None:
        try:
            data = os.read(self._stdin, CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._close_stdin()
            self._streams.input_ended()
        elif not self._streams.input(data):
            self._loop.forget(self._stdin)

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            self._loop.forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def end(self) -> None:
        """The container has ended: close once everything is delivered."""
        self._close_stdin()
        for writer in self._outputs.values():
            writer.end()

    def close(self) -> None:
        """Cut it off."""
        self._close_stdin()
        for writer in self._outputs.values():
            writer.close()
        self._streams.clients.discard(self)
        self._streams.caught_up()


class ContainerStreams:
    """Made before the process starts; `stdio` is for it. `ended` is called when all output has been read."""

    def __init__(
        self, loop: Loop, log: LogFile, *, tty: bool, stdin: bool, stdin_once: bool, ended: Callable[[], None]
    ) -> None:
        self.loop = loop
        self.clients: set[AttachedClient] = set()
        self.backlog_bytes = CLIENT_BACKLOG_BYTES
        """What a client may have waiting before the container's output waits for it."""
        self._log = log
        self._tty = tty
        self._stdin_once = stdin_once
        self._ended = ended
        self._sources: dict[int, tuple[str, LineSplitter]] = {}
        self._stdin: Writer | None = None
        self._waits = False  # for a client that lags
        self._early: list[tuple[str, bytes]] | None = [] if stdin_once else None  # what nobody has seen yet
        self._master = -1
        self.stdio: list[int] = []
        try:
            if tty:
                self._open_terminal(stdin)
            else:
                self._open_pipes(stdin)
        except OSError:
            self.abandon()
            raise

    def _open_terminal(self, stdin: bool) -> None:
        self._master, slave = os.openpty()
        self.stdio = [slave] * 3
        self._sources[self._master] = ("stdout", LineSplitter("stdout"))
        if stdin:
            self._stdin = Writer(self.loop, os.dup(self._master), self._input_taken)

    def _open_pipes(self, stdin: bool) -> None:
        if stdin:
            read, write = os.pipe2(os.O_CLOEXEC)
            self._stdin = Writer(self.loop, write, self._input_taken)
        else:
            read = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self.stdio.append(read)
        for stream in ("stdout", "stderr"):
            read, write = os.pipe2(os.O_CLOEXEC)
            self.stdio.append(write)
            self._sources[read] = (stream, LineSplitter(stream))

    def started(self) -> None:
        """The process has its ends: let go of them, and listen to ours."""
        self._close_theirs()
        for fd in self._sources:
            os.set_blocking(fd, False)
        self._listen()

    def abandon(self) -> None:
        """The process could not be started: close everything."""
        self._close_theirs()
        self.close()

    def _close_theirs(self) -> None:
        for fd in set(self.stdio):
            os.close(fd)

    def _listen(self) -> None:
        for fd in self._sources:
            self.loop.watch(fd, READ, self._reader(fd))

    def attach(self, stdin: int, stdout: int, stderr: int) -> None:
        """Add a client; takes over the descriptors. `stdin` is -1 for none.

        The first client of a container that waits for one (stdinOnce, so `kubectl run -i`) gets what was said
        before it came, the last EARLY_BYTES of it: to the user the two are one command.
        """
        client = AttachedClient(self, stdin, stdout, stderr)
        self.clients.add(client)
        early, self._early = self._early, None
        for stream, data in early or ():
            client.output(stream, data)

    def input(self, data: bytes) -> bool:
        """Input from a client. False: no more for now, `resume` will be called."""
        if self._stdin is None:
            return True
        self._stdin.write(data)
        return not self._stdin.waiting

    def input_ended(self) -> None:
        """A client has no more input; for a container with stdinOnce that is the end of its own."""
        if self._stdin_once and self._stdin is not None and not self._tty:
            self._stdin.end()

    def resize(self, width: int, height: int) -> None:
        """The terminal's size, in columns and rows."""
        if self._master >= 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def caught_up(self) -> None:
        """A client has taken all that waited, or is gone."""
        if self._waits and not any(client.lags for client in self.clients):
            self._waits = False
            self._listen()

    def read_on(self) -> None:
        """The process has ended: what it has left behind waits for no client, lest it be lost."""
        self.backlog_bytes += LAST_BYTES
        self.caught_up()

    def close(self) -> None:
        """The container has ended and nothing more is to be expected."""
        for fd in list(self._sources):
            self._end_source(fd)
        if self._stdin is not None:
            self._stdin.close()
        for client in list(self.clients):
            client.end()
        self.clients.clear()
        self._log.close()

    def _input_taken(self) -> None:
        for client in self.clients:
            client.resume()

    def _reader(self, fd: int) -> Callable[[int], None]:
        return lambda events: self._read(fd)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if not data:
            self._end_source(fd)
            if not self._sources:
                self._ended()
            return
        stream, splitter = self._sources[fd]
        self._log.write(splitter.feed(data, timestamp(time.time_ns())))
        if self._early is not None:
            self._early = last_of(self._early, stream, data, EARLY_BYTES)
        for client in list(self.clients):
            client.output(stream, data)
        if not self._waits and any(client.lags for client in self.clients):
            self._waits = True
            for source in self._sources:
                self.loop.forget(source)

    def _end_source(self, fd: int) -> None:
        _, splitter = self._sources.pop(fd)
        self._log.write(splitter.end(timestamp(time.time_ns())))
        self.loop.forget(fd)
        os.close(fd)
        if fd == self._master:
            self._master = -1
