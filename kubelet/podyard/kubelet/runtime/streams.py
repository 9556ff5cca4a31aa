"""The kubelet's ends of a command's or a container's streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Literal

CHUNK_BYTES = 64 * 1024
CHUNKS_AHEAD = 16
DRAIN_SECONDS = 0.2

StreamName = Literal["stdout", "stderr"]


class FdStreams:
    """Streams over pipes or a terminal's master side. `exited` gets the exit code when it is known."""

    def __init__(
        self,
        stdin: int,
        outputs: dict[StreamName, int],
        exited: asyncio.Future[int],
        resize: Callable[[int, int], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stdin = stdin
        self._outputs = outputs
        self._exited = exited
        self._resize = resize
        for fd in {stdin, *outputs.values()} - {-1}:
            os.set_blocking(fd, False)

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it does not read. Input that nobody takes any more is dropped."""
        while data and self._stdin >= 0 and not self._exited.done():
            try:
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:
                await self._writable(self._stdin)
            except OSError:
                return

    def close_stdin(self) -> None:
        """Its input has ended. (A terminal has no such end: there the user types ^D.)"""
        if self._stdin >= 0 and self._stdin not in self._outputs.values():
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def resize(self, width: int, height: int) -> None:
        """Its terminal has this many columns and rows; without a terminal nothing happens."""
        self._resize(width, height)

    async def output(self) -> AsyncIterator[tuple[StreamName, bytes]]:
        """What it writes. Of a process it left behind only 0.2 s of silence are waited for."""
        queue: asyncio.Queue[tuple[StreamName, bytes] | None] = asyncio.Queue()
        slots = asyncio.Semaphore(CHUNKS_AHEAD)
        pumps = [
            asyncio.create_task(self._pump(name, fd, queue, slots)) for name, fd in self._outputs.items()
        ]
        self._exited.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while not all(pump.done() for pump in pumps) or not queue.empty():
                try:
                    async with asyncio.timeout(DRAIN_SECONDS if self._exited.done() else None):
                        item = await queue.get()
                except TimeoutError:
                    return
                if item is not None:
                    slots.release()
                    yield item
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def wait(self) -> int:
        """Its exit code, 128 + N when signal N ended it."""
        return await asyncio.shield(self._exited)

    async def aclose(self) -> None:
        """Release the streams."""
        fds = {self._stdin, *self._outputs.values()} - {-1}
        self._stdin = -1
        self._outputs = {}
        for fd in fds:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
            os.close(fd)

    async def _pump(
        self,
        name: StreamName,
        fd: int,
        queue: asyncio.Queue[tuple[StreamName, bytes] | None],
        slots: asyncio.Semaphore,
    ) -> None:
        try:
            while data := await self._read(fd):
                await slots.acquire()
                queue.put_nowait((name, data))
        finally:
            self._loop.call_soon(queue.put_nowait, None)  # look again whether all is over

    async def _read(self, fd: int) -> bytes:
        while True:
            try:
                return os.read(fd, CHUNK_BYTES)
            except BlockingIOError:
                await self._readable(fd)
            except OSError:  # EIO: nobody has the terminal open any more
                return b""

    async def _readable(self, fd: int) -> None:
        ready = self._loop.create_future()
        self._loop.add_reader(fd, _resolve, ready)
        try:
            await ready
        finally:
            if fd in self._outputs.values():  # else it is closed, and its number may be somebody else's
                self._loop.remove_reader(fd)

    async def _writable(self, fd: int) -> None:
        ready = self._loop.create_future()
        self._loop.add_writer(fd, _resolve, ready)
        ended = lambda _: _resolve(ready)  # noqa: E731
        self._exited.add_done_callback(ended)
        try:
            await ready
        finally:
            self._exited.remove_done_callback(ended)
            if fd == self._stdin:
                self._loop.remove_writer(fd)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
