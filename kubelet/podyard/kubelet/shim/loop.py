"""An event loop of one page: descriptors, timers, children that end. (asyncio takes 40 ms to import.)"""

from __future__ import annotations

import heapq
import os
import select
import signal
import sys
import time
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT

PAUSE_SECONDS = 0.05


class Timer:
    """A call that waits for its time; `cancel` forgets it."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None] | None) -> None:
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        """Forget the call."""
        self.callback = None

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class Loop:
    """Calls back when a descriptor is ready, a time has come or a child has ended."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._running = True
        self._children: Callable[[int, int], None] | None = None
        self._signals, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call `callback(events)` whenever `fd` is ready for `events`; replaces what was watched before."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Watch `fd` no more. Call it before closing the descriptor."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def pause(self, fd: int) -> None:
        """Look at `fd`, which is watched for READ, again in 50 ms: now there are no means to read it."""
        callback = self._callbacks[fd]
        self._epoll.modify(fd, 0)

        def go_on() -> None:
            if self._callbacks.get(fd) is callback:  # else it is closed, and its number may be another's
                self._epoll.modify(fd, READ)

        self.call_later(PAUSE_SECONDS, go_on)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once."""
        timer = Timer(time.monotonic() + seconds, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def on_child(self, callback: Callable[[int, int], None]) -> None:
        """Call `callback(pid, wait status)` for every child that ends, adopted ones included."""
        self._children = callback
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.watch(self._signals, READ, self._signalled)

    def stop(self) -> None:
        """Return from `run`."""
        self._running = False

    def run(self) -> None:
        """Turn until `stop`. A callback that raises is reported on standard error; the loop goes on."""
        while self._running:
            for fd, events in self._epoll.poll(self._timeout()):
                callback = self._callbacks.get(fd)
                if callback is not None:
                    _guarded(callback, events)
            while self._timers and self._timers[0].when <= time.monotonic():
                due = heapq.heappop(self._timers).callback
                if due is not None:
                    _guarded(due)

    def _timeout(self) -> float:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].when - time.monotonic()) if self._timers else -1.0

    def _signalled(self, events: int) -> None:
        try:
            os.read(self._signals, 4096)
        except BlockingIOError:
            pass
        while self._children is not None:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            _guarded(self._children, pid, status)


def _guarded(callback: Callable[..., None], *args: int) -> None:
    try:
        callback(*args)
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "?"
        print(f"{type(error).__name__}: {error} at {place}", file=sys.stderr, flush=True)
