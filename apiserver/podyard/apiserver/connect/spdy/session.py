"""One SPDY connection, seen from the server: the streams that the client has opened on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from podyard.api.spdy.framing import (
    Data,
    Decoder,
    Encoder,
    Frame,
    MoreHeaders,
    Ping,
    Reset,
    RstStream,
    SynStream,
)
from podyard.api.spdy.headers import FrameError, Headers
from podyard.process.http1 import ByteStream

log = logging.getLogger(__name__)

MAX_STREAMS = 4096
"""More are refused."""
MAX_UNREAD_ANSWERS = 2 * MAX_STREAMS
"""A client that lets so many frames wait, and goes on asking, is cut off."""
PING_SECONDS = 30.0
"""How often a client is written to at least: where it has vanished, only that shows."""
LINGER_SECONDS = 600.0
"""How long a client may take to close: what was sent may wait for a reader (`kubectl exec … | less`)."""
HIGH_WATER_BYTES = 256 * 1024
"""Whoever sends waits while so much has not left yet."""


@dataclass(eq=False, slots=True)
class Stream:
    """A stream that the client has opened. A side that has finished sends no more on it."""

    id: int
    headers: Headers
    client_finished: bool = False
    server_finished: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """There is a new stream, to be accepted or refused."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Received:
    """Data has come, or (`fin`) the last of it."""

    stream: Stream
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class WasReset:
    """The client has ended a stream in both directions."""

    stream: Stream


Event = Opened | Received | WasReset


class Session:
    """Reads in `events`, writes in a task of its own: whoever reads never waits for a slow reader."""

    def __init__(self, connection: ByteStream) -> None:
        self._connection = connection
        self._decoder = Decoder()
        self._encoder = Encoder()
        self._streams: dict[int, Stream] = {}
        self._last_id = 0
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._to_write = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._broken = False

    async def events(self) -> AsyncIterator[Event]:
        """What the client does, in order, until it closes the connection or breaks the protocol.

        Reads no faster than the events are taken.
        """
        try:
            while data := await self._connection.read():
                for frame in self._decoder.feed(data):
                    if (event := self._take(frame)) is not None:
                        yield event
        except FrameError as error:
            log.info("a client breaks the SPDY protocol: %s", error)
        except ConnectionError:
            return

    def accept(self, stream: Stream) -> None:
        """Take a new stream."""
        self._post(self._encoder.syn_reply(stream.id))

    def refuse(self, stream: Stream) -> None:
        """Do not take a new stream."""
        self.reset(stream, Reset.REFUSED_STREAM)

    def reset(self, stream: Stream, why: Reset = Reset.CANCEL) -> None:
        """End a stream in both directions."""
        if self._streams.pop(stream.id, None) is not None:
            self._post(self._encoder.rst_stream(stream.id, why))

    async def send(self, stream: Stream, data: bytes) -> None:
        """Send on a stream; waits while the client does not read. What the client has ended gets nothing.

        Raises ConnectionError when the client is gone.
        """
        await self._room.wait()
        if self._broken:
            raise ConnectionResetError("the client has gone")
        if stream.id not in self._streams or stream.server_finished:
            return
        self._post(self._encoder.data(stream.id, data))

    def end(self, stream: Stream) -> None:
        """Send no more on a stream."""
        if stream.id in self._streams and not stream.server_finished:
            stream.server_finished = True
            self._post(self._encoder.data(stream.id, b"", fin=True))
            self._forget_if_finished(stream)

    async def finish(self) -> None:
        """End every stream, and wait for the client to close: it may still be reading."""
        for stream in list(self._streams.values()):
            self.end(stream)
        self._post(self._encoder.goaway(self._last_id))
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while await self._connection.read():
                    pass
        except (TimeoutError, ConnectionError):
            return

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write what is sent, and ask the client now and then whether it is there, inside the block."""
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._ping())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, frame: Frame) -> Event | None:
        if len(self._outgoing) > MAX_UNREAD_ANSWERS:
            raise FrameError("what it is answered is not read")
        match frame:
            case SynStream():
                return self._open(frame)
            case Data(number, data, fin):
                return self._received(number, data, fin)
            case MoreHeaders(number, _, True):
                return self._received(number, b"", True)
            case RstStream(number):
                stream = self._streams.pop(number, None)
                return WasReset(stream) if stream is not None else None
            case Ping(number) if number % 2:  # the odd ones are the client's
                self._post(self._encoder.ping(number))
        return None

    def _open(self, frame: SynStream) -> Event | None:
        if frame.stream % 2 == 0 or frame.stream <= self._last_id:
            self._post(self._encoder.rst_stream(frame.stream, Reset.PROTOCOL_ERROR))
            return None
        self._last_id = frame.stream
        if len(self._streams) >= MAX_STREAMS:
            self._post(self._encoder.rst_stream(frame.stream, Reset.REFUSED_STREAM))
            return None
        stream = Stream(frame.stream, frame.headers, client_finished=frame.fin)
        self._streams[stream.id] = stream
        return Opened(stream)

    def _received(self, number: int, data: bytes, fin: bool) -> Event | None:
        stream = self._streams.get(number)
        if stream is None or stream.client_finished:
            return None  # it was on its way when the stream ended
        if fin:
            stream.client_finished = True
            self._forget_if_finished(stream)
        return Received(stream, data, fin)

    def _forget_if_finished(self, stream: Stream) -> None:
        if stream.client_finished and stream.server_finished:
            self._streams.pop(stream.id, None)

    def _post(self, frame: bytes) -> None:
        if self._broken:
            return
        self._outgoing.append(frame)
        self._outgoing_bytes += len(frame)
        if self._outgoing_bytes > HIGH_WATER_BYTES:
            self._room.clear()
        self._to_write.set()

    async def _write(self) -> None:
        try:
            while True:
                await self._to_write.wait()
                self._to_write.clear()
                data = b"".join(self._outgoing)
                self._outgoing.clear()
                self._outgoing_bytes = 0
                await self._connection.write(data)
                if self._outgoing_bytes <= HIGH_WATER_BYTES:
                    self._room.set()
        finally:
            self._broken = True
            self._room.set()

    async def _ping(self) -> None:
        """Where a client has vanished, only writing to it shows that."""
        number = 2
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._post(self._encoder.ping(number))
            number = number + 2 & 0x7FFF_FFFF
