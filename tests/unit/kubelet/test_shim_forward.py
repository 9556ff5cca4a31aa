"""The shim's forwards by themselves, on its own loop."""

from __future__ import annotations

import contextlib
import os
import resource
import socket

import pytest

from podyard.kubelet.shim import forward, spawn
from podyard.kubelet.shim.forward import SPARE_DESCRIPTORS, TcpForward, UdpForward
from podyard.kubelet.shim.loop import PAUSE_SECONDS, READ, WRITE, Loop
from tests.unit.kubelet.runtime_harness import descriptors_left, fresh_ip, run_until


def test_one_timer_for_all_datagrams() -> None:
    loop, ip = Loop(), fresh_ip()
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind((ip, 0))
        carried = UdpForward(loop, (ip, 0), server.getsockname())
        client.connect(carried._socket.getsockname())
        for _ in range(100):
            client.send(b"x")
            carried._receive(0)
        assert len(loop._timers) == 1
        carried.close()


def test_silent_clients_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "UDP_IDLE_SECONDS", 0.01)
    loop, ip = Loop(), fresh_ip()
    carried = UdpForward(loop, (ip, 0), (ip, 9))
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(carried._socket.getsockname())
        client.send(b"x")
        run_until(loop, lambda: bool(carried._clients))
        run_until(loop, lambda: not carried._clients)
        client.send(b"x")
        run_until(loop, lambda: bool(carried._clients))
    carried.close()


class CountingLoop(Loop):
    pauses = 0

    def pause(self, fd: int) -> None:
        self.pauses += 1
        super().pause(fd)


@pytest.mark.parametrize("left", [0, 1, SPARE_DESCRIPTORS])
def test_without_descriptors_clients_wait(left: int) -> None:
    loop, ip = CountingLoop(), fresh_ip()
    with socket.create_server((ip, 0)) as server, socket.socket() as client:
        carried = TcpForward(loop, (ip, 0), server.getsockname())
        client.connect(carried._listener.getsockname())
        with descriptors_left(left):
            run_until(loop, lambda: loop.pauses == 2)
        assert not carried._connections
        run_until(loop, lambda: bool(carried._connections))
        carried.close()


def test_connections_leave_descriptors_for_the_shims_own_work() -> None:
    loop, ip = CountingLoop(), fresh_ip()
    with socket.create_server((ip, 0)) as server, contextlib.ExitStack() as clients:
        carried = TcpForward(loop, (ip, 0), server.getsockname())
        for _ in range(50):
            clients.enter_context(socket.create_connection(carried._listener.getsockname()))
        with descriptors_left(SPARE_DESCRIPTORS + 20):
            run_until(loop, lambda: loop.pauses == 1 or len(carried._connections) > 10)
            assert 0 < len(carried._connections) <= 10
            for fd in [os.dup(0) for _ in range(32)]:
                os.close(fd)
            next(iter(carried._connections.values())).close()
            before = len(carried._connections)
            run_until(loop, lambda: len(carried._connections) > before)
        run_until(loop, lambda: len(carried._connections) == 49)
        carried.close()


def test_a_datagram_for_which_there_is_no_descriptor_is_lost() -> None:
    loop, ip = Loop(), fresh_ip()
    carried = UdpForward(loop, (ip, 0), (ip, 9))
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(carried._socket.getsockname())
        with descriptors_left(SPARE_DESCRIPTORS):
            client.send(b"x")
            carried._receive(0)
            assert not carried._clients
        client.send(b"x")
        carried._receive(0)
        assert carried._clients
    carried.close()


def test_a_pause_ends_with_what_was_watched() -> None:
    """The number may be another descriptor's then, which is not to be looked at for reading."""
    loop, calls = Loop(), [0, 0]
    read, write = os.pipe()
    os.write(write, b"x")
    loop.watch(read, READ, lambda events: loop.pause(read))
    run_until(loop, lambda: bool(loop._timers))
    loop.forget(read)
    loop.watch(read, WRITE, lambda events: calls.__setitem__(0, events))
    loop.call_later(2 * PAUSE_SECONDS, lambda: calls.__setitem__(1, 1))
    run_until(loop, lambda: bool(calls[1]))
    assert calls[0] == 0
    loop.forget(read)
    os.close(read)
    os.close(write)


def test_the_shim_takes_all_the_descriptors_that_it_may_have() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        spawn.raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
