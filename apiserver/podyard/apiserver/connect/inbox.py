"""What has come and waits to be taken."""

from __future__ import annotations

import asyncio


class Inbox:
    """Bytes between one who puts and one who gets. `full` at more than `high_water` bytes."""

    def __init__(self, high_water: int) -> None:
        self._high_water = high_water
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._closed = False
        self._arrival = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def full(self) -> bool:
        """Whether no more should be put for now."""
        return not self._room.is_set()

    def put(self, data: bytes) -> None:
        """Add some; dropped once it is closed."""
        if self._closed:
            return
        self._chunks.append(data)
        self._size += len(data)
        if self._size > self._high_water:
            self._room.clear()
        self._arrival.set()

    def end(self) -> None:
        """No more will be put."""
        self._ended = True
        self._arrival.set()

    def close(self) -> None:
        """Nobody will take any more."""
        self._closed = True
        self._room.set()

    async def room(self) -> None:
        """Wait until it is not full."""
        await self._room.wait()

    async def get(self) -> bytes:
        """All that is there, at least a byte; b"" once no more will come."""
        while not self._size and not self._ended:
            self._arrival.clear()
            await self._arrival.wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._room.set()
        return data
