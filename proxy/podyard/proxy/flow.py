"""One direction of a TCP connection: bytes from a source socket to a sink socket.

Small exchanges are read and written plainly. After a few full reads in a row the direction is
bulk, and goes through a pipe by splice(2), so that its bytes never enter Python; when it turns
to small pieces again, so does this.

Readiness is edge-triggered: `pump` goes on until the kernel says "would block" (or until a short
read, after which a new edge is certain), or until its turn is used up.
"""

from __future__ import annotations

import os
import socket

from podyard.proxy.pipes import PIPE_BYTES, Pipe, PipePool

CHUNK = 65536
TURNS = 16
"""Reads of one direction before other connections get their turn."""
FULL_READS = 2
"""Full reads in a row (128 KiB) that make a direction bulk."""
SMALL_PIECE = 16384
SMALL_PIECES = 4
"""Small pieces in a row that end bulk."""

_buffer = memoryview(bytearray(CHUNK))  # between a read and the write after it nothing else runs
_SPLICE = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class SinkError(OSError):
    """The sink takes nothing any more (its peer has gone)."""


class Flow:
    """See the module. `moved` counts bytes, `ended` says that the source's end was passed on."""

    __slots__ = (
        "_is_bulk",
        "_pending",
        "_pipe",
        "_pipes",
        "_run",
        "_sink",
        "_source",
        "ended",
        "hangup",
        "moved",
    )

    def __init__(self, source: socket.socket, sink: socket.socket, pipes: PipePool) -> None:
        self._source = source
        self._sink = sink
        self._pipes = pipes
        self._pipe: Pipe | None = None
        self._pending: bytes | None = None
        self._is_bulk = False
        self._run = 0  # full reads in a row; small pieces in a row when bulk
        self.moved = 0
        self.ended = False
        self.hangup = False
        """The source's end was announced: read on after a short read, there comes no further edge."""

    def pump(self) -> bool:
        """Move what can be moved now; True when the turn was used up and there may be more.

        Raises SinkError when the sink fails, another OSError when the source does.
        """
        for _ in range(TURNS):
            if self.ended or not (self._bulk() if self._is_bulk else self._plain()):
                return False
        return True

    def stop(self) -> None:
        """End the direction without passing an end on."""
        self.ended = True
        self._pending = None
        self._return_pipe()

    def _plain(self) -> bool:
        if self._pending is not None:
            sent = self._send(self._pending)
            self._pending = self._pending[sent:] or None
            if self._pending is not None:
                return False
        try:
            size = self._source.recv_into(_buffer)
        except BlockingIOError:
            return False
        if not size:
            self._end()
            return False
        sent = self._send(_buffer[:size])
        if sent < size:
            self._pending = bytes(_buffer[sent:size])
            return False
        if size < CHUNK:
            self._run = 0
            return self.hangup
        self._run += 1
        if self._run >= FULL_READS:
            self._is_bulk = True
            self._run = 0
        return True

    def _send(self, data: bytes | memoryview) -> int:
        try:
            sent = self._sink.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SinkError(error.errno, error.strerror) from None
        if not self.moved:
            # From the second write on, small writes may follow each other: send each at once.
            self._sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.moved += sent
        return sent

    def _bulk(self) -> bool:
        pipe = self._pipe = self._pipe or self._pipes.take()
        if pipe is None:
            self._is_bulk = False
            return True
        if not pipe.filled:
            try:
                pipe.filled = os.splice(self._source.fileno(), pipe.write_end, PIPE_BYTES, flags=_SPLICE)
            except BlockingIOError:
                self._return_pipe()  # an idle connection holds none
                return False
            if not pipe.filled:
                self._end()
                return False
            self._run = self._run + 1 if pipe.filled < SMALL_PIECE else 0
        while pipe.filled:
            try:
                sent = os.splice(pipe.read_end, self._sink.fileno(), pipe.filled, flags=_SPLICE)
            except BlockingIOError:
                return False
            except OSError as error:
                raise SinkError(error.errno, error.strerror) from None
            pipe.filled -= sent
            self.moved += sent
        if self._run >= SMALL_PIECES:
            self._run = 0
            self._is_bulk = False
            self._return_pipe()
        return True

    def _end(self) -> None:
        self.ended = True
        self._return_pipe()
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the sink's peer has gone already; the other direction notices by itself

    def _return_pipe(self) -> None:
        if self._pipe is not None:
            self._pipes.give(self._pipe)
            self._pipe = None
