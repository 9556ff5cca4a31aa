"""The user's terminal: raw while a remote program has it, and its size."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """Let every key reach us as it is, also Ctrl-C, and put the terminal back at the end."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def restore(number: int, _: object) -> None:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.exit(128 + number)

    old = {number: signal.signal(number, restore) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(descriptor, termios.TCSANOW)  # what has been typed already is not lost
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in old.items():
            signal.signal(number, handler)


def size() -> tuple[int, int] | None:
    """Columns and rows, or None when standard output is no terminal."""
    try:
        packed = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return None
    rows, columns = struct.unpack("HHHH", packed)[:2]
    return (columns, rows) if columns and rows else None


@contextlib.contextmanager
def on_resize(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` whenever the window changes."""
    old = signal.signal(signal.SIGWINCH, lambda number, frame: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, old)
