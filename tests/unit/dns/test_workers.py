"""Several workers on one address, as processes: spread, killed, replaced, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from podyard.dns import workers
from podyard.dns.command import metrics_address
from podyard.dns.workers import HUNG_SECONDS, check_address
from podyard.process.clock import FakeClock
from podyard.process.main import UserError
from podyard.process.silence import STEPS
from tests.support.objects_api import ObjectsApi, objects_api

from .conftest import fresh_address
from .objects import service

PORT = 5300
CLIENTS = 20
NAME = "web.default.svc.cluster.local"


@dataclass
class Parent:
    """A `podyard dns --workers 2` that is ready."""

    process: asyncio.subprocess.Process
    address: str

    def workers(self) -> list[int]:
        """Their process ids."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def listening(self, number: int) -> None:
        """Wait until so many sockets share the address."""
        async with asyncio.timeout(20):
            while True:
                if listeners(self.address) == number:
                    return
                await asyncio.sleep(0.01)


def listeners(address: str) -> int:
    """UDP sockets that are bound to the address."""
    word = socket.inet_aton(address)[::-1].hex().upper() + f":{PORT:04X}"
    return sum(line.split()[1] == word for line in Path("/proc/net/udp").read_text().splitlines())


def command(api: ObjectsApi, address: str, *more: str) -> list[str]:
    assert api.tls is not None
    return [
        sys.executable, "-m", "podyard.cli", "dns", "--address", address, "--port", str(PORT),
        "--server", api.target, "--ca-file", str(api.tls.ca), "--cert-file", str(api.tls.cert),
        "--key-file", str(api.tls.key), "--upstream", "127.0.0.1:1", *more,
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def parent(tmp_path: Path) -> AsyncIterator[Parent]:
    """Start it and wait for READY=1."""
    lists = {"services": [service("web", "127.96.3.4")], "namespaces": [{"metadata": {"name": "default"}}]}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reports:
        reports.bind(str(tmp_path / "notify"))
        reports.setblocking(False)
        async with objects_api(lists) as api:
            process = await asyncio.create_subprocess_exec(
                *command(api, address := fresh_address(), "--workers", "2"),
                env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            )
            try:
                async with asyncio.timeout(20):
                    while True:
                        if b"READY=1" in await asyncio.get_running_loop().sock_recv(reports, 4096):
                            break
                yield Parent(process, address)
            finally:
                if process.returncode is None:
                    process.terminate()
                await process.wait()


async def ask(address: str, times: int) -> None:
    """Ask from as many sockets, which the kernel spreads over the workers."""
    loop = asyncio.get_running_loop()
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\3web\7default\3svc\7cluster\5local\0\0\1\0\1"
    for _ in range(times):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((address, PORT))
            sock.send(question)
            answer = await asyncio.wait_for(loop.sock_recv(sock, 4096), 20)
            assert answer.endswith(socket.inet_aton("127.96.3.4"))


async def test_a_killed_worker_is_replaced_while_the_other_serves(tmp_path: Path) -> None:
    async with parent(tmp_path) as dns:
        assert listeners(dns.address) == 2
        await ask(dns.address, 50)
        killed = dns.workers()[0]
        os.kill(killed, signal.SIGKILL)
        await dns.listening(1)
        await ask(dns.address, 50)
        await dns.listening(2)
        await ask(dns.address, 50)
        assert killed not in dns.workers()
        assert len(dns.workers()) == 2


async def test_a_worker_killed_under_load_loses_what_is_in_flight(tmp_path: Path) -> None:
    async with parent(tmp_path) as dns:
        lost: list[float] = []
        done = asyncio.Event()

        async def client() -> None:
            """Has one query in flight at any time."""
            while not done.is_set():
                sent = time.monotonic()
                try:
                    await ask(dns.address, 1)
                except (TimeoutError, ConnectionRefusedError):
                    lost.append(sent)

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client())
            await ask(dns.address, 50)
            os.kill(dns.workers()[0], signal.SIGKILL)
            await dns.listening(1)
            gone = time.monotonic()
            await dns.listening(2)
            await ask(dns.address, 50)
            done.set()
        assert len(lost) <= CLIENTS
        assert all(sent < gone for sent in lost)


async def test_a_worker_that_hangs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that goes on speaking is not. What is killed is replaced (see above)."""
    clock = FakeClock()
    monkeypatch.setattr(workers, "RealClock", lambda: clock)
    worker = workers._Worker(0, tmp_path / "notify")
    worker._process = await asyncio.create_subprocess_exec("sleep", "infinity")
    killing = asyncio.create_task(worker.kill_when_hung())

    async def silent(steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
            clock.advance(HUNG_SECONDS / STEPS)
            await asyncio.sleep(0)

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaks:
            speaks.connect(str(tmp_path / "notify"))
            for _ in range(3):
                await silent(STEPS - 1)
                speaks.send(b"WATCHDOG=1")
                worker._read()
        assert caplog.messages == []
        await silent(STEPS)
        assert caplog.messages == ["worker 0 has said nothing for 60 s, killing it"]
        assert await asyncio.wait_for(worker._process.wait(), 10) == -signal.SIGKILL
    finally:
        killing.cancel()
        await worker.end()


async def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        async with parent(tmp_path) as dns:
            dns.process.send_signal(number)
            assert await dns.process.wait() == (0 if number == signal.SIGTERM else -number)
            await dns.listening(0)
        (tmp_path / "notify").unlink()


async def test_an_address_in_use_is_an_error() -> None:
    address = fresh_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((address, PORT))
        with pytest.raises(UserError, match=f"cannot listen on {address}:{PORT}: Address already in use"):
            check_address(address, PORT)


async def test_a_worker_that_cannot_start_is_the_end() -> None:
    async with objects_api({}) as api:
        words = command(api, fresh_address(), "--workers", "2", "--metrics-address", "127.0.0.1:x")
        process = await asyncio.create_subprocess_exec(*words, stderr=subprocess.PIPE)
        _, output = await process.communicate()
    assert process.returncode == 1
    lines = output.decode().splitlines()
    assert "podyard: a worker cannot start" in lines
    assert any("--metrics-address" in line for line in lines)
    assert "Traceback" not in output.decode()


async def test_less_than_one_worker() -> None:
    async with objects_api({}) as api:
        process = await asyncio.create_subprocess_exec(
            *command(api, fresh_address(), "--workers", "0"), stderr=subprocess.PIPE
        )
        _, output = await process.communicate()
    assert (process.returncode, output) == (1, b"podyard: --workers 0 is less than 1\n")


@pytest.mark.parametrize(
    ("address", "worker", "expected"),
    [
        ("127.0.0.1:9153", 0, "127.0.0.1:9153"),
        ("127.0.0.1:9153", 2, "127.0.0.1:9155"),
        ("", 1, ""),
        ("x:y", 1, "x:y"),
    ],
)
def test_every_worker_has_metrics_of_its_own(address: str, worker: int, expected: str) -> None:
    assert metrics_address(address, worker) == expected
