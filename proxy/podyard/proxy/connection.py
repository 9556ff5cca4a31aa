"""One TCP connection through the proxy: a client, a backend, and a Half each way.

The two halves run by themselves: an end of one side is passed on alone (half-close), a reset of one side
resets the other.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from podyard.proxy.relay import Half
from podyard.proxy.sockets import reset_at_close

if TYPE_CHECKING:
    from podyard.proxy.counters import Counters
    from podyard.proxy.listeners import Runtime
    from podyard.proxy.pipes import PipePool

_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Connection:
    """A client and the backend that it is connected to. It gives their two descriptors back."""

    __slots__ = ("_broken", "_closed", "_counters", "_down", "_poller", "_runtime", "_up")

    def __init__(self, runtime: Runtime, counters: Counters, client: int, backend: int) -> None:
        self._runtime = runtime
        self._poller = runtime.poller
        self._counters = counters
        self._broken = False
        self._closed = False
        up = self._up = Half(self, client, backend, counters.received)
        down = self._down = Half(self, backend, client, counters.sent)
        up.other, down.other = down, up

    @property
    def pipes(self) -> PipePool:
        """For bulk."""
        return self._runtime.pipes

    def run(self, early: bytes, *, begun: bool) -> None:
        """Watch both sides, which tells what is there already.

        `early` was read of the client and is still to be sent; `begun`: its first piece has been sent, and
        TCP_NODELAY is not set yet.
        """
        up, down = self._up, self._down
        try:
            self._poller.watch(up.sink, down.ready)
            self._poller.watch(up.source, up.second_piece if begun else up.ready)
        except OSError:  # the kernel refuses another watch
            self.close(reset=True)
            return
        if early:
            up.held = early
            up.pump()

    def resume(self, early: bytes, *, client_gone: bool, events: int | None) -> None:
        """The same when the client is watched already, and the backend if `events` has been told of it."""
        up, down = self._up, self._down
        if events is None:
            try:
                self._poller.watch(up.sink, down.ready)
            except OSError:
                self.close(reset=True)
                return
        else:
            self._poller.handle(up.sink, down.ready)
            up.told_of_room = True
            down.hangup = bool(events & _GONE)
        self._poller.handle(up.source, up.ready)
        up.hangup = client_gone
        up.held = early or None
        up.pump()
        if not down.ended:
            down.pump()

    def again(self, half: Half) -> None:
        """The half has used up its turn, and goes on after the others had theirs."""
        self._poller.again(half.pump)

    def handle(self, descriptor: int, half: Half) -> None:
        """From now on the half itself is told of what happens to `descriptor`."""
        self._poller.handle(descriptor, half.ready)

    def ask_for_room(self, descriptor: int) -> None:
        """Have the half that reads from `descriptor` told when it can be written to."""
        self._poller.watch_room(descriptor)

    def half_ended(self, half: Half) -> None:
        """A half has come to its end: pass that on (half-close), or close when it was the last."""
        if half.other.ended:
            self.close(reset=self._broken)
        else:
            self._poller.when_idle(half.pass_end_on)

    def reset_after_end(self, half: Half) -> None:
        """The peer whose end was read is gone altogether."""
        if half is self._up:
            self.sink_failed(half.other)
        else:
            half.other.pump()  # the backend is gone, but what it has answered may still be on its way

    def sink_failed(self, half: Half) -> None:
        """Nothing goes there any more, but what came from there before may still be read."""
        self._broken = True
        half.stop()
        if half.other.ended:
            self.close(reset=True)
        else:
            half.other.hangup = True
            self.again(half.other)

    def close(self, *, reset: bool) -> None:
        """End both sides; `reset` tells them that something went wrong."""
        if self._closed:
            return
        self._closed = True
        up, down = self._up, self._down
        for descriptor in (up.source, up.sink):
            if reset:
                reset_at_close(descriptor)
            self._poller.close(descriptor)
        up.stop()
        down.stop()
        up.other, down.other = up, down  # no cycles: they are freed at once
        del self._up, self._down
        self._counters.active -= 1
        self._runtime.descriptors.give(2)
