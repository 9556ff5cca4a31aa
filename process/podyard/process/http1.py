"""One HTTP/1.1 exchange over a connection that stands already, whatever carries it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

import h11

Headers = list[tuple[str, str]]

MAX_HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""The headers that are about one connection alone (RFC 9110, 7.6.1, and older ones)."""


class ByteStream(Protocol):
    """Bytes in both directions. Failures are ConnectionError."""

    async def read(self) -> bytes:
        """Some bytes; b"" once the peer sends no more."""

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer does not read."""


class SocketStream:
    """A ByteStream over asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def peer(self) -> str:
        """The address of the other end."""
        return str((self._writer.get_extra_info("peername") or ("",))[0])

    async def read(self) -> bytes:
        """Some bytes; b"" at the end."""
        return await self._reader.read(CHUNK_BYTES)

    async def write(self, data: bytes) -> None:
        """Send."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close both directions."""
        self._writer.close()


class Exchange:
    """One request, and its answer. Failures of the peer to speak HTTP are ConnectionError."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def send(self, method: str, target: str, headers: Headers, body: AsyncIterator[bytes]) -> None:
        """Send a request. `headers` have the Host, and the length of a body or that it is chunked."""
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        request = h11.Request(method=method.encode(), target=target.encode("latin-1"), headers=encoded)
        await self._stream.write(self._http.send(request) or b"")
        async for chunk in body:
            await self._stream.write(self._http.send(h11.Data(data=chunk)) or b"")
        await self._stream.write(self._http.send(h11.EndOfMessage()) or b"")

    async def answer(self) -> tuple[int, Headers]:
        """Status and headers of the answer; 101 is one, other informational ones are passed over."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                return event.status_code, headers_of(event)

    async def body(self) -> AsyncIterator[bytes]:
        """The body of the answer, as it comes."""
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    @property
    def rest(self) -> bytes:
        """What has come after the answer 101: the other protocol's."""
        return self._http.trailing_data[0]

    async def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._stream.read()
                if not data and self._http.their_state is h11.SEND_RESPONSE:
                    raise ConnectionError("EOF")
                self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise ConnectionError(f"malformed HTTP response: {error}") from None
        return event


def headers_of(event: h11.Request | h11.Response | h11.InformationalResponse) -> Headers:
    """Headers as text, their names written as they came."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()]


def end_to_end(headers: Iterable[tuple[str, str]]) -> Headers:
    """The headers that a proxy passes on."""
    found = list(headers)
    named = {
        name.strip().lower()
        for key, value in found
        if key.lower() == "connection"
        for name in value.split(",")
    }
    return [(key, value) for key, value in found if key.lower() not in HOP_BY_HOP | named]


async def join(one: ByteStream, other: ByteStream) -> None:
    """Pass on what comes at either to the other, until one of them has ended."""

    async def copy(source: ByteStream, target: ByteStream) -> None:
        while data := await source.read():
            await target.write(data)

    tasks = [asyncio.create_task(copy(one, other)), asyncio.create_task(copy(other, one))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
