"""To which endpoint a connection goes when some refuse, never answer, or are gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.attempt import KEEPALIVE_SECONDS
from podyard.proxy.connecting import CONNECT_TRIES, LAST_CHECKS
from podyard.proxy.listeners import Runtime
from podyard.proxy.listeners.tcp import CHECK_SECONDS
from podyard.proxy.table import Endpoint

from .peers import SERVICE, ask, backend, connect, deaf, proxied, rule, says, until, unused


async def test_a_refused_connect_goes_to_another_endpoint(runtime: Runtime, address: str) -> None:
    async with backend(says(b"here"), address) as endpoint:
        with proxied(runtime, address, unused(address), unused(address), endpoint):
            assert [await ask(address) for _ in range(6)] == [b"here"] * 6
    assert runtime.counters.of(SERVICE).errors > 0


async def test_an_address_that_is_none_goes_to_another_endpoint(runtime: Runtime, address: str) -> None:
    async with backend(says(b"one"), address) as one:
        with proxied(runtime, address, ("fd00::1%nosuch", 80), one):
            assert await asyncio.gather(*(ask(address) for _ in range(6))) == [b"one"] * 6


async def test_no_endpoint_answers_the_client_is_reset(runtime: Runtime, address: str) -> None:
    with proxied(runtime, address, *[unused(address) for _ in range(CONNECT_TRIES + 5)]):
        reader, writer = await connect(address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    counters = runtime.counters.of(SERVICE)
    assert (counters.active, counters.errors) == (0, CONNECT_TRIES)


async def test_news_of_another_endpoint_that_comes_with_a_client_is_heard(
    runtime: Runtime, address: str
) -> None:
    """As when the proxy has not had the processor for a moment; though the client came first."""
    news, teller = socket.socketpair()
    with news, teller:
        async with backend(says(b"new"), address) as new:
            with proxied(runtime, address, unused(address)) as listener:

                def hear(_events: int) -> None:
                    runtime.poller.forget(news.fileno())
                    listener.update(rule(new))

                runtime.poller.watch(news.fileno(), hear)
                with socket.create_connection((address, 80)) as client:
                    teller.send(b"!")
                    reader, _ = await asyncio.open_connection(sock=client.dup())
                    assert await reader.read() == b"new"


async def test_an_endpoint_that_never_answers_is_passed_over(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent:
        async with backend(says(b"here"), address) as endpoint:
            with proxied(runtime, address, silent.getsockname()) as listener:
                asking = asyncio.create_task(ask(address))
                await until(lambda: bool(listener._connecting))
                listener.update(rule(silent.getsockname(), endpoint))
                clock.advance(CHECK_SECONDS)
                assert listener._connecting
                # Who comes now does not wait, and the one that does goes where they go.
                assert [await ask(address) for _ in range(4)] == [b"here"] * 4
                clock.advance(CHECK_SECONDS)
                assert await asking == b"here"


async def test_most_endpoints_never_answer(runtime: Runtime, clock: FakeClock, address: str) -> None:
    """As where a node is cut off from the others, and has a third of the pods."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(deaf(address)).getsockname() for _ in range(8)]
        async with backend(says(b"here"), address) as endpoint:
            with proxied(runtime, address, *silent) as listener:
                asking = asyncio.create_task(ask(address))
                await until(lambda: bool(listener._connecting))
                for _ in range(2 * (len(silent) - 1)):
                    clock.advance(CHECK_SECONDS)
                listener.update(rule(*silent, endpoint))  # the only one that has not been tried
                clock.advance(CHECK_SECONDS)
                clock.advance(CHECK_SECONDS)
                assert not listener._connecting
                assert await asking == b"here"


async def test_the_second_that_finds_an_endpoint_silent_waits_less(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent:
        async with backend(says(b"here"), address) as endpoint:
            with proxied(runtime, address, silent.getsockname()) as listener:
                first = asyncio.create_task(ask(address))
                await until(lambda: len(listener._connecting) == 1)
                clock.advance(CHECK_SECONDS / 2)
                second = asyncio.create_task(ask(address))
                await until(lambda: len(listener._connecting) == 2)
                listener.update(rule(silent.getsockname(), endpoint))
                clock.advance(CHECK_SECONDS / 2)
                assert len(listener._connecting) == 2
                clock.advance(CHECK_SECONDS / 2)
                assert await second == b"here"
                assert len(listener._connecting) == 1
                clock.advance(CHECK_SECONDS / 2)
                assert await first == b"here"


async def test_an_endpoint_without_another_is_waited_for(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent, proxied(runtime, address, silent.getsockname()) as listener:
        reader, writer = await connect(address)
        await until(lambda: bool(listener._connecting))
        for _ in range(LAST_CHECKS - 1):
            clock.advance(CHECK_SECONDS)
            assert listener._connecting
        clock.advance(CHECK_SECONDS)
        assert not listener._connecting
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_backend_whose_host_is_gone_is_noticed(runtime: Runtime, address: str) -> None:
    """Though nothing is sent: the client's own keepalive asks the proxy alone."""

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        await reader.read()
        writer.close()

    async with backend(stay, "0.0.0.0") as endpoint:  # this host, by a name that does not say so
        with proxied(runtime, address, endpoint):
            reader, writer = await connect(address)
            assert await reader.read(4) == b"here"
            seconds = keepalive(("127.0.0.1", endpoint[1]))
            assert seconds is not None
            assert KEEPALIVE_SECONDS - 30 < seconds <= KEEPALIVE_SECONDS
            writer.close()


def keepalive(peer: Endpoint) -> float | None:
    """When the kernel will ask whether `peer` is still there, for a connection to it (proc_net_tcp.txt)."""
    host = socket.inet_aton(peer[0])[::-1].hex().upper()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        remote, state, _, timer = line.split()[2:6]
        kind, _, ticks = timer.partition(":")
        if (remote, state, kind) == (f"{host}:{peer[1]:04X}", "01", "02"):
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK")
    return None
