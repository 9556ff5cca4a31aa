"""Real worker processes: what they serve, and what is lost when they are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from podyard.process.clock import FakeClock
from podyard.process.silence import STEPS
from podyard.proxy import workers
from podyard.proxy.frontends import Frontends
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.table import Changes, Endpoint, Frontend, Rule
from podyard.proxy.workers import Workers

from .peers import backend, echo, says

SERVICE = ("default", "web")
NUMBER = 2


class Proxy:
    """The part of a proxy that is not told by an apiserver."""

    def __init__(self) -> None:
        self.metrics = ProxyMetrics()
        self.workers = Workers(NUMBER, self.metrics)
        self._frontends = Frontends(self.workers, self.metrics, FakeClock(), self._failed)

    def serve(self, rules: dict[Frontend, Rule], removed: tuple[Frontend, ...] = ()) -> None:
        self._frontends.apply(Changes(removed=list(removed), set=rules))
        self.workers.flush()

    def pids(self) -> list[int]:
        found = [worker._process for worker in self.workers._workers]
        return [process.pid for process in found if process is not None and process.returncode is None]

    async def running(self) -> list[int]:
        await until(lambda: len(self.pids()) == NUMBER)
        return self.pids()

    def _failed(self, frontend: Frontend, rule: Rule, reason: str) -> None:
        pytest.fail(f"{frontend}: {reason}")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what another process does has no Event here)
            await asyncio.sleep(0.005)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    made.workers.start()
    yield made
    await made.workers.stop()


def rule(*endpoints: Endpoint, affinity: int = 0) -> Rule:
    return Rule(SERVICE, "", "ClusterIP", endpoints, affinity)


async def ask(address: str, question: bytes = b"", port: int = 80) -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_frontends_come_change_and_go(proxy: Proxy, address: str) -> None:
    frontend = Frontend("TCP", address, 80)
    async with backend(says(b"one"), address) as one, backend(says(b"two"), address) as two:
        proxy.serve({frontend: rule(one)})
        assert {await ask(address) for _ in range(20)} == {b"one"}
        proxy.serve({frontend: rule(two)})
        await until_answer(address, b"two")
        proxy.serve({}, removed=(frontend,))
        await until_refused(address)
        proxy.serve({frontend: rule(one)})
        assert await ask(address) == b"one"


async def test_a_frontend_that_goes_from_one_service_to_another(proxy: Proxy, address: str) -> None:
    """Removed and opened again in one sync."""
    frontend = Frontend("TCP", address, 80)
    async with backend(says(b"one"), address) as one, backend(says(b"two"), address) as two:
        proxy.serve({frontend: rule(one)})
        assert await ask(address) == b"one"
        proxy.serve({frontend: rule(two)}, removed=(frontend,))
        await until_answer(address, b"two", may_reset=True)  # who waits at a listener that closes
        proxy.serve({}, removed=(frontend,))
        await until_refused(address)


async def until_answer(address: str, answer: bytes, *, may_reset: bool = False) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                if {await ask(address) for _ in range(20)} == {answer}:
                    return
            except ConnectionResetError:
                if not may_reset:
                    raise


async def until_refused(address: str) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await ask(address)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue


async def test_many_frontends_at_once(proxy: Proxy, address: str) -> None:
    """More than one message's descriptors."""
    async with backend(says(b"one"), address) as one:
        proxy.serve({Frontend("TCP", address, 1000 + number): rule(one) for number in range(500)})
        for port in (1000, 1199, 1200, 1499):
            assert await ask(address, port=port) == b"one"
        proxy.serve({}, removed=tuple(Frontend("TCP", address, 1000 + number) for number in range(499)))
        assert await ask(address, port=1499) == b"one"


async def test_udp(proxy: Proxy, address: str) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(data, addr)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, (address, 0))
    proxy.serve({Frontend("UDP", address, 53): rule(transport.get_extra_info("sockname"))})
    for number in range(8):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((address, 53))
            sock.send(b"%d" % number)
            assert await asyncio.wait_for(loop.sock_recv(sock, 100), 10) == b"%d" % number
    transport.close()


async def test_a_killed_worker_loses_only_what_it_had_in_hand(proxy: Proxy, address: str) -> None:
    """Clients that come while it is away wait for the next worker; nobody is refused, ever."""
    frontend = Frontend("TCP", address, 80)
    async with backend(says(b"one"), address) as one:
        proxy.serve({frontend: rule(one)})
        assert await ask(address) == b"one"
        for _ in range(3):
            pids = await proxy.running()
            # Stopped first, so that none of the clients to come is accepted before the end.
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            asking = [asyncio.create_task(ask(address)) for _ in range(50)]
            await asyncio.sleep(0)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            assert await asyncio.gather(*asking) == [b"one"] * 50
            await until(lambda pids=pids: not set(pids) & set(proxy.pids()))  # type: ignore[misc]
    assert proxy.metrics.worker_restarts == 3 * NUMBER


async def test_the_other_worker_serves_on(proxy: Proxy, address: str) -> None:
    frontend = Frontend("TCP", address, 80)
    async with backend(echo, address) as one:
        proxy.serve({frontend: rule(one)})
        pids = await proxy.running()
        held = [await asyncio.open_connection(address, 80) for _ in range(40)]
        for reader, writer in held:
            writer.write(b"1")
            assert await reader.readexactly(1) == b"1"
        os.kill(pids[0], signal.SIGKILL)
        alive = 0
        for reader, writer in held:
            try:
                writer.write(b"2")
                alive += await reader.readexactly(1) == b"2"
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            writer.close()
        assert 0 < alive < 40
        assert await ask(address, b"3") == b"3"


async def test_a_worker_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Its clients wait in its sockets meanwhile, and are served then. One that speaks is left alone."""
    clock = FakeClock()
    monkeypatch.setattr(workers, "RealClock", lambda: clock)
    proxy = Proxy()
    proxy.workers.start()

    async def pass_by(steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
            clock.advance(workers.HUNG_SECONDS / STEPS)
            await asyncio.sleep(0)

    try:
        async with backend(says(b"one"), address) as one:
            proxy.serve({Frontend("TCP", address, 80): rule(one)})
            pids = await proxy.running()
            assert await ask(address) == b"one"
            os.kill(pids[0], signal.SIGSTOP)
            asked = [asyncio.create_task(ask(address)) for _ in range(20)]
            await pass_by(STEPS - 1)
            await until(lambda: proxy.workers._workers[1]._silence._steps == 0)
            assert proxy.pids() == pids
            await pass_by(1)
            assert {await one for one in asked} == {b"one"}
            assert proxy.metrics.worker_restarts == 1
            assert pids[1] in proxy.pids()
    finally:
        await proxy.workers.stop()


async def test_affinity_is_one_workers(proxy: Proxy, address: str) -> None:
    frontend = Frontend("TCP", address, 80)
    async with backend(says(b"one"), address) as one, backend(says(b"two"), address) as two:
        proxy.serve({frontend: rule(one, two, affinity=60)})
        assert len({await ask(address) for _ in range(40)}) == 1
        proxy.serve({frontend: rule(one, two)})
        async with asyncio.timeout(10):
            while {await ask(address) for _ in range(8)} != {b"one", b"two"}:
                pass


async def test_numbers_are_added_up_and_outlive_a_worker(proxy: Proxy, address: str) -> None:
    async with backend(says(b"one"), address) as one:
        proxy.serve({Frontend("TCP", address, 80): rule(one)})
        for _ in range(20):
            assert await ask(address) == b"one"
        total = (20, 0, 0, 60, 0)
        await until(lambda: proxy.metrics.services().get(SERVICE) == total)
        pids = await proxy.running()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: proxy.metrics.worker_restarts == NUMBER)
        assert proxy.metrics.services()[SERVICE] == total
        proxy.workers.forget(SERVICE)
        assert proxy.metrics.services() == {}


async def test_workers_whose_proxy_was_killed_serve_until_the_next_is_there(
    proxy: Proxy, address: str
) -> None:
    """They listen for some seconds more, and go when their last connection ends."""
    frontend = Frontend("TCP", address, 80)
    async with backend(echo, address) as one:
        proxy.serve({frontend: rule(one)})
        pids = await proxy.running()
        reader, writer = await asyncio.open_connection(address, 80)
        for task in proxy.workers._tasks:
            task.cancel()  # nobody replaces them
        for worker in proxy.workers._workers:
            worker._hang_up()  # as the kernel does when the proxy dies
        for sockets in proxy.workers._sockets.values():
            for sock in sockets:
                sock.close()
        assert await ask(address, b"orphans") == b"orphans"
        await until_refused(address)
        assert any(os.path.exists(f"/proc/{pid}") for pid in pids)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        writer.close()
        await until(lambda: proxy.pids() == [])
