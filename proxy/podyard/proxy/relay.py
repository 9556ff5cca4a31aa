"""The hot path: bytes from one connected socket to another. All of the proxy's speed is here.

It is written for few system calls, and for few steps of Python between them:

- Descriptors are edge-triggered (poller.py). A read that does not fill its buffer has emptied the
  socket, so there is no second read just to be told so; what comes later is a new edge, and when the
  end was announced (EPOLLRDHUP) nothing comes later.
- A small piece is one read and one write (`ready`). One flag, `calm`, says that nothing stands in the
  way of that: the direction is connected, holds nothing back, is not bulk, has not ended.
- Everything else goes through `pump`. After FULL_READS full reads in a row a direction is bulk: its
  bytes go by splice(2) through a pooled pipe, and never enter Python. Small pieces in a row end that;
  counting bytes instead would send keep-alive traffic through pipes, which costs more than it saves.
- Room in a socket is asked for (EPOLLOUT) only once it has refused something.
- An end is passed on when there is nothing else to do, or a few turns later: by then the other side has
  often ended too, and then closing both is all there is to do.
"""

from __future__ import annotations

import os
import select
from os import read, write
from typing import TYPE_CHECKING

from podyard.proxy.pipes import PIPE_BYTES, Pipe
from podyard.proxy.sockets import no_delay, shut_writing

if TYPE_CHECKING:
    from podyard.proxy.connection import Connection
    from podyard.proxy.counters import Tally

CHUNK = 65536
TURNS = 16
"""Reads of one direction before other connections get their turn."""
FULL_READS = 2
"""Full reads in a row (128 KiB) that make a direction bulk."""
SMALL_PIECE = 16384
SMALL_PIECES = 4
"""Small pieces in a row that end bulk."""

_IN = select.EPOLLIN
_OUT = select.EPOLLOUT
_LAST = _IN | select.EPOLLRDHUP
"""The source's end and all before it; no failure, and no urgent data, which would cut a read short."""
_BROKEN = select.EPOLLHUP | select.EPOLLERR
_READ_ON = select.EPOLLRDHUP | select.EPOLLPRI | _BROKEN
_SPLICE = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class SinkError(OSError):
    """The sink takes nothing any more (its peer has gone)."""


class Half:
    """One direction of a connection. `ended`: its source's end was read, or does not matter any more."""

    __slots__ = (
        "_is_bulk",
        "_pipe",
        "_run",
        "blocked",
        "calm",
        "connection",
        "ended",
        "hangup",
        "held",
        "other",
        "sink",
        "source",
        "tally",
        "told_of_room",
    )

    def __init__(self, connection: Connection, source: int, sink: int, tally: Tally) -> None:
        self.connection = connection
        self.source = source
        self.sink = sink
        self.tally = tally
        self.other: Half = self  # set by the connection
        self.calm = True
        self.ended = False
        self.hangup = False
        """Read on after a short read: no further edge may come."""
        self.held: bytes | None = None
        """What was read and the sink has not taken."""
        self.blocked = False
        """The sink refused something; when it has room again there is more to do."""
        self.told_of_room = False
        """The poller tells when it has."""
        self._is_bulk = False
        self._run = 0  # full reads in a row; small pieces in a row when bulk
        self._pipe: Pipe | None = None

    def ready(self, events: int) -> None:
        """The poller's handler: the source has something to read, or takes something again."""
        if self.calm and (events == _IN or events == _LAST):  # noqa: SIM109 (would make a tuple, each time)
            try:
                data = read(self.source, CHUNK)
            except BlockingIOError:
                return
            except OSError:
                self.connection.close(reset=True)
                return
            size = len(data)
            if 0 < size < CHUNK:
                try:
                    sent = write(self.sink, data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    self.connection.sink_failed(self)
                    return
                self.tally.count += sent
                if sent < size:
                    self.hangup = events == _LAST
                    self._hold(data[sent:])
                elif events == _LAST:
                    self._end()
            elif not size:
                self._end()
            else:
                self.held = data
                self.hangup = events == _LAST
                self.pump()
            return
        if events & _READ_ON:
            self.hangup = True
        if events & (_IN | _READ_ON) and not self.ended:
            self.pump()
        if events & _BROKEN and self.ended and not self.other.ended:
            self.connection.reset_after_end(self)
        elif (events & _BROKEN or (events & _OUT and self.other.blocked)) and not self.other.ended:
            self.other.pump()

    def second_piece(self, events: int) -> None:
        """The first handler of a source whose first piece has been sent: small ones may follow each other.

        The clients with one request, which are most, save a system call.
        """
        if not events & _READ_ON:
            no_delay(self.sink)
        self.connection.handle(self.source, self)
        self.ready(events)

    def pump(self) -> None:
        """Move what can be moved now."""
        self.calm = self.blocked = False
        try:
            for _ in range(TURNS):
                if self._is_bulk or self.held is not None or self.ended:
                    if not self._move_rest():
                        break
                    continue
                data = read(self.source, CHUNK)
                if not data:
                    self.ended = True
                    break
                sent = self._write(data)
                if sent < len(data):
                    self._hold(data[sent:])
                    break
                if len(data) == CHUNK:
                    self._full_read()
                elif not self.hangup:
                    self._run = 0
                    break
            else:
                self.connection.again(self)
                return
        except BlockingIOError:
            pass  # the source has no more
        except SinkError:
            self.connection.sink_failed(self)
            return
        except OSError:
            self.connection.close(reset=True)
            return
        if self.ended:
            self.connection.half_ended(self)
        else:
            self.calm = not (self.hangup or self.blocked or self._is_bulk)

    def pass_end_on(self) -> None:
        """Half-close the sink, if the other direction still goes on."""
        if not self.other.ended:
            shut_writing(self.sink)

    def stop(self) -> None:
        """End the direction without passing an end on."""
        self.ended = True
        self.calm = False
        self.held = None
        if self._pipe is not None:
            self._return_pipe()

    def _end(self) -> None:
        self.calm = False
        self.ended = True
        self.connection.half_ended(self)

    def _hold(self, data: bytes) -> None:
        self.held = data
        self._block()

    def _block(self) -> None:
        self.calm = False
        self.blocked = True
        if not self.told_of_room:
            self.told_of_room = True
            self.connection.ask_for_room(self.sink)

    def _full_read(self) -> None:
        self._run += 1
        if self._run >= FULL_READS:
            self._is_bulk = True
            self._run = 0

    def _move_rest(self) -> bool:
        """Move what is held back, and what is bulk; False when there is no more, or no room."""
        if self.ended:
            return False
        if self.held is not None:
            sent = self._write(self.held)
            self.held = self.held[sent:] or None
            if self.held is not None:
                self._block()
                return False
            return True
        return self._splice()

    def _write(self, data: bytes) -> int:
        try:
            sent = write(self.sink, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SinkError(error.errno, error.strerror) from None
        self.tally.count += sent
        return sent

    def _splice(self) -> bool:
        """Move a pipe full; False when there is no more, or no room."""
        pipe = self._pipe = self._pipe or self.connection.pipes.take()
        if pipe is None:
            self._is_bulk = False
            return True
        if not pipe.filled:
            try:
                pipe.filled = os.splice(self.source, pipe.write_end, PIPE_BYTES, flags=_SPLICE)
            except BlockingIOError:
                self._return_pipe()  # an idle connection holds none
                return False
            if not pipe.filled:
                self.ended = True
                self._return_pipe()
                return False
            self._run = self._run + 1 if pipe.filled < SMALL_PIECE else 0
        while pipe.filled:
            try:
                sent = os.splice(pipe.read_end, self.sink, pipe.filled, flags=_SPLICE)
            except BlockingIOError:
                self._block()
                return False
            except OSError as error:
                raise SinkError(error.errno, error.strerror) from None
            pipe.filled -= sent
            self.tally.count += sent
        if self._run >= SMALL_PIECES:
            self._run = 0
            self._is_bulk = False
            self._return_pipe()
        return True

    def _return_pipe(self) -> None:
        if self._pipe is not None:
            self.connection.pipes.give(self._pipe)
            self._pipe = None
