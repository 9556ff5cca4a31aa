"""Open the pipes or the terminal of a command, hand the far ends to the shim, keep the near ones."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence

from podyard.kubelet.runtime import ExecResult, RuntimeFailure, Streams
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
    """Call `ask` with the three descriptors for the command; whatever it raises, nothing is left open.

    Raises RuntimeFailure when there are no descriptors.
    """
    try:
        (near_in, near_out, near_err), theirs = _terminal() if tty else _pipes()
    except OSError as error:
        raise RuntimeFailure(f"cannot open the command's streams: {error.strerror}") from None
    if tty:
        streams = FdStreams(near_in, {"stdout": near_out}, exited, lambda w, h: _set_size(near_in, w, h))
    else:
        streams = FdStreams(near_in, {"stdout": near_out, "stderr": near_err}, exited, resize)
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


Ends = tuple[int, int, int]
"""Of stdin, stdout and stderr."""


def _terminal() -> tuple[Ends, Ends]:
    """The near and the far ends of a terminal."""
    master, slave = os.openpty()
    return (master, master, master), (slave, slave, slave)


def _pipes() -> tuple[Ends, Ends]:
    """The near and the far ends of three pipes."""
    opened: list[int] = []
    try:
        for _ in range(3):
            opened += os.pipe2(os.O_CLOEXEC)
    except OSError:
        for fd in opened:
            os.close(fd)
        raise
    far_in, near_in, near_out, far_out, near_err, far_err = opened
    return (near_in, near_out, near_err), (far_in, far_out, far_err)


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
