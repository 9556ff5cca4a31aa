"""The shim's forwards by themselves, on its own loop."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable

import pytest

from podyard.kubelet.shim import forward, spawn
from podyard.kubelet.shim.forward import TcpForward, UdpForward
from podyard.kubelet.shim.loop import Loop
from tests.unit.kubelet.runtime_harness import fresh_ip


def run_until(loop: Loop, condition: Callable[[], bool]) -> None:
    def look() -> None:
        if condition():
            loop.stop()
        else:
            loop.call_later(0.001, look)

    loop._running = True
    look()
    loop.run()


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


def test_without_descriptors_clients_wait() -> None:
    loop, ip = Loop(), fresh_ip()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_server((ip, 0)) as server, socket.socket() as client:
        carried = TcpForward(loop, (ip, 0), server.getsockname())
        client.connect(carried._listener.getsockname())
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            run_until(loop, lambda: carried._listener.fileno() not in loop._callbacks)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        run_until(loop, lambda: bool(carried._connections))
        carried.close()


def test_the_shim_takes_all_the_descriptors_that_it_may_have() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        spawn.raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
