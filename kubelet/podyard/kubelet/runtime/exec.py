"""Open the pipes or the terminal of a command, hand the far ends to the shim, keep the near ones."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence

from podyard.kubelet.runtime import ExecResult, Streams
from podyard.kubelet.runtime.streams import FdStreams, StreamName

MAX_OUTPUT_BYTES = 16 * 1024  # of each stream, as the kubelet keeps of a probe's output


async def open_streams(
    ask: Callable[[Sequence[int]], Awaitable[None]],
    exited: Future[int],
    *,
    stdin: bool,
    tty: bool,
    resize: Callable[[int, int], None] = lambda width, height: None,
) -> FdStreams:
    """Call `ask` with the three descriptors for the command; if it raises, nothing is left open."""
    if tty:
        master, slave = os.openpty()
        streams = FdStreams(master, {"stdout": master}, exited, lambda w, h: _set_size(master, w, h))
        theirs = [slave, slave, slave]
    else:
        stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        outputs: dict[StreamName, int] = {"stdout": out_read, "stderr": err_read}
        streams = FdStreams(stdin_write, outputs, exited, resize)
        theirs = [stdin_read, out_write, err_write]
    try:
        await ask(theirs)
    except BaseException:
        await streams.aclose()
        raise
    finally:
        for fd in set(theirs):
            os.close(fd)
    if not stdin:
        streams.close_stdin()
    return streams


class Collector:
    """Reads a command's output, and keeps the beginning of it."""

    def __init__(self) -> None:
        self._kept: dict[StreamName, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

    async def read(self, streams: Streams) -> None:
        """Read until it has ended; may be cancelled and called again."""
        async for name, data in streams.output():
            kept = self._kept[name]
            kept += data[: MAX_OUTPUT_BYTES - len(kept)]

    async def result(self, streams: Streams, *, timed_out: bool = False) -> ExecResult:
        """The rest of it, and how it ended."""
        await self.read(streams)
        code = await streams.wait()
        return ExecResult(code, bytes(self._kept["stdout"]), bytes(self._kept["stderr"]), timed_out)


def _set_size(terminal: int, width: int, height: int) -> None:
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    except OSError:
        return  # closed meanwhile
