"""A connection that goes on in another protocol after `101 Switching Protocols`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from podyard.apiserver.connect.inbox import Inbox

HIGH_WATER_BYTES = 256 * 1024
"""As much as is held of what has come and nobody has read; then the peer has to wait."""


class Upgraded(web.StreamResponse):
    """The answer 101, and the connection after it. Ends with the handler that returns it.

    aiohttp hands over what comes to whoever is set as its parser, as it does for its own WebSockets.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(status=101, headers=headers)
        self.force_close()
        self._parser = _Parser()

    async def accept(self, request: web.Request) -> None:
        """Send the answer. What comes from now on is for `read`."""
        protocol = request.protocol
        if request.transport is None:
            raise ConnectionResetError("the client has gone")
        self._parser.transport = request.transport
        protocol.set_parser(cast(Any, self._parser))
        protocol.keep_alive(False)
        await self.prepare(request)

    async def read(self) -> bytes:
        """Some bytes; b"" once the peer has closed its side."""
        return await self._parser.read()


class _Parser:
    """Takes what comes (aiohttp's interface of a payload parser), and stops the peer when it is too much."""

    def __init__(self) -> None:
        self._inbox = Inbox(HIGH_WATER_BYTES)
        self._paused: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes in. Gives that there is more to come, and no rest."""
        self._inbox.put(data)
        if self._inbox.full and self._paused is None and self.transport is not None:
            self._paused = self.transport
            self._paused.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Nothing more will come."""
        self._inbox.end()

    async def read(self) -> bytes:
        """All that is there; b"" at the end."""
        data = await self._inbox.get()
        if self._paused is not None:
            self._paused.resume_reading()
            self._paused = None
        return data
