"""A small SPDY/3.1 client, as kubectl has one: enough to speak to the apiserver's streams."""

from __future__ import annotations

import asyncio
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from podyard.api.spdy.dictionary import DICTIONARY
from podyard.api.spdy.framing import Data, Decoder, Frame, GoAway, Ping, RstStream, SynReply

FIN = 1


class Frames:
    """Makes the frames that a client sends."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def syn_stream(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        block = struct.pack("!I", len(headers))
        for name, value in headers.items():
            block += struct.pack("!I", len(name)) + name.encode()
            block += struct.pack("!I", len(value)) + value.encode()
        packed = self._zlib.compress(block) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack("!IIH", stream, 0, 0) + packed, FIN if fin else 0)


def control(kind: int, body: bytes, flags: int = 0, version: int = 3) -> bytes:
    """A control frame."""
    return struct.pack("!HHI", 0x8000 | version, kind, flags << 24 | len(body)) + body


def data_frame(stream: int, data: bytes, *, fin: bool = False) -> bytes:
    """A data frame."""
    return struct.pack("!II", stream, (FIN if fin else 0) << 24 | len(data)) + data


class Connection(Protocol):
    """What carries the frames."""

    async def read(self) -> bytes:
        """Some bytes; b"" at the end."""

    async def write(self, data: bytes) -> None:
        """Send."""

    async def close(self) -> None:
        """Send no more."""


class SpdyClient:
    """What has come on each stream is in `received` by its number; `finished` has those that have ended."""

    def __init__(self, connection: Connection) -> None:
        self.received: dict[int, bytes] = {}
        self.finished: set[int] = set()
        self.replied: set[int] = set()
        self.reset: dict[int, int] = {}
        self.pongs: list[int] = []
        self.gone_away = False
        self.closed = False
        self._connection = connection
        self._frames = Frames()
        self._decoder = Decoder()
        self._next = 1
        self._changed = asyncio.Condition()

    async def open(self, **headers: str) -> int:
        """Open a stream; gives its number once it is taken or refused."""
        number, self._next = self._next, self._next + 2
        self.received[number] = b""
        await self._connection.write(self._frames.syn_stream(number, headers))
        await self.until(lambda: number in self.replied or number in self.reset)
        return number

    async def open_as(self, number: int) -> None:
        """Open a stream with a number that may be wrong."""
        await self._connection.write(self._frames.syn_stream(number, {}))

    async def close(self) -> None:
        """Send no more."""
        await self._connection.close()

    async def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send on a stream."""
        await self._connection.write(data_frame(stream, data, fin=fin))

    async def cancel(self, stream: int) -> None:
        """End a stream in both directions."""
        await self._connection.write(control(3, struct.pack("!II", stream, 5)))

    async def raw(self, data: bytes) -> None:
        """Send any bytes."""
        await self._connection.write(data)

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until `what` gives something true, or the connection has ended."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: bool(what() or self.closed))

    async def run(self) -> None:
        """Take in what comes."""
        while data := await self._connection.read():
            for frame in self._decoder.feed(data):
                self._take(frame)
            async with self._changed:
                self._changed.notify_all()
        self.closed = True
        async with self._changed:
            self._changed.notify_all()

    def _take(self, frame: Frame) -> None:
        match frame:
            case SynReply(stream):
                self.replied.add(stream)
            case Data(stream, data, fin):
                self.received[stream] += data
                if fin:
                    self.finished.add(stream)
            case RstStream(stream, status):
                self.reset[stream] = status
            case Ping(number):
                self.pongs.append(number)
            case GoAway():
                self.gone_away = True


@asynccontextmanager
async def spdy_client(connection: Connection) -> AsyncIterator[SpdyClient]:
    """A client that takes in what comes, inside the block."""
    client = SpdyClient(connection)
    reading = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class Streams:
    """A connection over asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Some bytes; b"" at the end, whichever way it came."""
        try:
            return await self._reader.read(65536)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()


@asynccontextmanager
async def upgraded(
    url: str, tls: ssl.SSLContext, *protocols: str
) -> AsyncIterator[tuple[SpdyClient, dict[str, str]]]:
    """POST to an https URL and go on in SPDY/3.1; with the client come the headers of the answer."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    lines = [f"POST {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", "Content-Length: 0"]
    lines += ["Connection: Upgrade", "Upgrade: SPDY/3.1"]
    lines += [f"X-Stream-Protocol-Version: {protocol}" for protocol in protocols]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    assert first == "HTTP/1.1 101 Switching Protocols", first
    try:
        async with spdy_client(Streams(reader, writer)) as client:
            yield client, {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
    finally:
        writer.close()
