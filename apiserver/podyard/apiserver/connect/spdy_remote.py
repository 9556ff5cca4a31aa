"""exec and attach over SPDY: a stream for each of error, stdin, stdout, stderr and resize."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from podyard.apiserver.connect.remote import Options, Status, end_text, terminal_size
from podyard.apiserver.connect.spdy.session import Event, Opened, Received, Session, Stream
from podyard.proto.streaming_pb2 import StreamInput

V4 = "v4.channel.k8s.io"
V3 = "v3.channel.k8s.io"
V2 = "v2.channel.k8s.io"
V1 = "channel.k8s.io"
PROTOCOLS = (V4, V3, V2, V1)
"""What is spoken: 4 tells the end as a Status, 3 and later resize the terminal."""

STREAM_TYPE = "streamtype"
OPENING_SECONDS = 30.0
MAX_SIZE_BYTES = 1024
"""A terminal size is shorter than this."""


class SpdyRemote:
    """A client behind a SPDY session (implements Remote)."""

    def __init__(self, session: Session, options: Options, protocol: str) -> None:
        self._session = session
        self._protocol = protocol
        self._wanted = wanted_streams(options, protocol)
        self._events: AsyncIterator[Event] = session.events()
        self._early: deque[Event] = deque()
        self._streams: dict[str, Stream] = {}
        self._size = b""

    async def open(self) -> bool:
        """Take the streams that the options promise; False when the client does not open them in time."""
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                while self._wanted - self._streams.keys():
                    event = await anext(self._events, None)
                    if event is None:
                        return False
                    if isinstance(event, Opened):
                        self._opened(event.stream)
                    else:
                        self._early.append(event)
        except TimeoutError:
            return False
        return True

    async def receive(self) -> StreamInput | None:
        """The next input; None once the client has closed."""
        while True:
            event = self._early.popleft() if self._early else await anext(self._events, None)
            match event:
                case None:
                    return None
                case Opened(stream):
                    self._opened(stream)
                case Received(stream, data, fin):
                    if (item := self._input(stream, data, fin)) is not None:
                        return item

    async def stdout(self, data: bytes) -> None:
        """Output."""
        await self._session.send(self._streams["stdout"], data)

    async def stderr(self, data: bytes) -> None:
        """Output of the other kind."""
        await self._session.send(self._streams["stderr"], data)

    async def finish(self, status: Status) -> None:
        """The Status (or, before version 4, its text) on the error stream; then the end of all streams."""
        data = end_text(status, as_status=self._protocol == V4)
        if data:
            await self._session.send(self._streams["error"], data)
        await self._session.finish()

    def _opened(self, stream: Stream) -> None:
        kind = stream.headers.get(STREAM_TYPE, "")
        if kind not in self._wanted or kind in self._streams:
            self._session.refuse(stream)
            return
        self._streams[kind] = stream
        self._session.accept(stream)
        if stream.client_finished:
            self._early.append(Received(stream, b"", True))

    def _input(self, stream: Stream, data: bytes, fin: bool) -> StreamInput | None:
        if stream is self._streams.get("stdin"):
            if data:
                if fin:
                    self._early.appendleft(Received(stream, b"", True))
                return StreamInput(stdin=data)
            return StreamInput(stdin_closed=True) if fin else None
        if stream is self._streams.get("resize"):
            return self._resized(stream, data)
        return None

    def _resized(self, stream: Stream, data: bytes) -> StreamInput | None:
        one, end, rest = (self._size + data).partition(b"}")
        if not end:
            self._size = one[:MAX_SIZE_BYTES]
            return None
        self._size = b""
        if rest.strip():
            self._early.appendleft(Received(stream, rest, False))
        return StreamInput(resize=terminal_size(one + end))


def wanted_streams(options: Options, protocol: str) -> frozenset[str]:
    """The streams that the client opens."""
    wanted = {"error"}
    wanted.update(name for name in ("stdin", "stdout", "stderr") if getattr(options, name))
    if options.tty and protocol in (V4, V3):
        wanted.add("resize")
    return frozenset(wanted)
