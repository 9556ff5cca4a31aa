"""A SPDY session, between the server's side and a small client."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from podyard.apiserver.connect.spdy import session as session_module
from podyard.apiserver.connect.spdy.session import Event, Opened, Received, Session, WasReset
from tests.support.spdy import Frames, SpdyClient, Streams, control, spdy_client


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Session, SpdyClient]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = Streams(*await asyncio.open_connection(sock=ours))
    client_streams = await asyncio.open_connection(sock=theirs)
    session = Session(server)
    try:
        async with session.running(), spdy_client(Streams(*client_streams)) as client:
            yield session, client
    finally:
        ours.close()
        client_streams[1].close()


async def opened(session: Session, client: SpdyClient, **headers: str) -> tuple[AsyncIterator[Event], Opened]:
    """The session's events, behind the first stream, which is accepted."""
    events = session.events()
    opening = asyncio.create_task(client.open(**headers))
    event = await anext(events)
    assert isinstance(event, Opened)
    session.accept(event.stream)
    await opening
    return events, event


async def test_data_goes_both_ways_and_each_side_ends_by_itself() -> None:
    async with connected() as (session, client):
        events, event = await opened(session, client, streamtype="data")
        stream = event.stream
        assert stream.headers == {"streamtype": "data"}
        await client.send(1, b"in", fin=True)
        assert await anext(events) == Received(stream, b"in", True)
        await session.send(stream, b"out")
        session.end(stream)
        await client.until(lambda: 1 in client.finished)
        assert client.received[1] == b"out"
        await session.send(stream, b"too late")
        await client.raw(control(6, struct.pack("!I", 1)))
        reading = asyncio.ensure_future(anext(events))
        await client.until(lambda: client.pongs)
        assert client.received[1] == b"out"
        reading.cancel()


async def test_a_refused_stream() -> None:
    async with connected() as (session, client):
        opening = asyncio.create_task(client.open(streamtype="nonsense"))
        event = await anext(session.events())
        assert isinstance(event, Opened)
        session.refuse(event.stream)
        assert client.reset.get(await opening) == 3


async def test_a_reset_stream_gets_nothing_more() -> None:
    async with connected() as (session, client):
        events, event = await opened(session, client)
        await client.raw(control(3, struct.pack("!II", 1, 5)))
        assert await anext(events) == WasReset(event.stream)
        await session.send(event.stream, b"lost")
        await client.raw(control(6, struct.pack("!I", 11)))
        reading = asyncio.ensure_future(anext(events))
        await client.until(lambda: client.pongs)
        assert (client.pongs, client.received[1]) == ([11], b"")
        reading.cancel()


@pytest.mark.parametrize("number", [2, 1])  # the server's, and one that was there
async def test_a_stream_number_that_cannot_be(number: int) -> None:
    async with connected() as (session, client):
        events, _ = await opened(session, client)
        reading = asyncio.ensure_future(anext(events))
        await client.open_as(number)
        await client.until(lambda: number in client.reset)
        assert client.reset == {number: 1}
        reading.cancel()


async def test_too_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_STREAMS", 1)
    async with connected() as (session, client):
        events, _ = await opened(session, client)
        reading = asyncio.ensure_future(anext(events))
        assert client.reset.get(await client.open()) == 3
        reading.cancel()


async def test_who_sends_waits_for_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten chunks do not fit; they all arrive once somebody reads."""
    monkeypatch.setattr(session_module, "HIGH_WATER_BYTES", 1000)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader, writer = await asyncio.open_connection(sock=ours)
    session = Session(Streams(reader, writer))
    async with session.running():
        theirs.setblocking(True)
        theirs.sendall(Frames().syn_stream(1, {}))
        event = await anext(session.events())
        assert isinstance(event, Opened)

        async def send_all() -> None:
            for _ in range(10):
                await session.send(event.stream, b"x" * 100_000)

        sending = asyncio.create_task(send_all())
        done, _ = await asyncio.wait([sending], timeout=0.1)
        assert not done
        async with spdy_client(Streams(*await asyncio.open_connection(sock=theirs))) as client:
            client.received[1] = b""
            await sending
            await client.until(lambda: len(client.received[1]) == 1_000_000)
    writer.close()


async def test_finishing_ends_the_streams_and_waits_for_the_client() -> None:
    async with connected() as (session, client):
        _, event = await opened(session, client)
        await session.send(event.stream, b"last")
        finishing = asyncio.create_task(session.finish())
        await client.until(lambda: client.gone_away)
        assert client.received[1] == b"last"
        assert client.finished == {1}
        assert not finishing.done()
        await client.close()
        await finishing


async def test_a_client_that_breaks_the_protocol_ends_the_events() -> None:
    async with connected() as (session, client):
        await client.raw(b"\xff" * 100)
        assert [event async for event in session.events()] == []


async def test_a_client_that_asks_and_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_UNREAD_ANSWERS", 5)
    async with connected() as (session, client):
        await client.raw(control(6, struct.pack("!I", 1)) * 10)
        async with asyncio.timeout(20):
            assert [event async for event in session.events()] == []
