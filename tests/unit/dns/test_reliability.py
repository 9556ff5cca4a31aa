"""Clients that behave badly, by mistake or not: everybody else is served."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import struct

import pytest
from dnslib import DNSRecord

from podyard.dns import tcp as tcp_module
from podyard.dns.tcp import CONNECTIONS
from tests.support.objects_api import objects_api

from .conftest import Running, fresh_address, upstream
from .objects import service
from .test_workers import PORT, ask, command

WEB = "web.default.svc.cluster.local"
QUESTION = bytes(DNSRecord.question(WEB).pack())


async def served(dns: Running) -> None:
    """Everybody else."""
    assert await dns.short(WEB) == ["127.96.3.4"]
    assert await dns.short(WEB, "+tcp") == ["127.96.3.4"]


def connect(dns: Running, number: int) -> list[socket.socket]:
    """So many connections, made but not waited for."""
    made = []
    for _ in range(number):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.connect_ex((dns.address, dns.port))
        made.append(sock)
    return made


async def until_there_are(dns: Running, number: int) -> None:
    """Wait for so many connections at the server."""
    async with asyncio.timeout(20):
        while True:
            if dns.server._tcp is not None and len(dns.server._tcp) == number:
                return
            await asyncio.sleep(0.001)


def close(socks: list[socket.socket]) -> None:
    for sock in socks:
        sock.close()


async def test_twenty_thousand_idle_connections(dns: Running) -> None:
    """Or as many as this process may open: none of them has its client's end closed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held: list[socket.socket] = []
    while len(held) < min(20_000, most - CONNECTIONS - 1000):
        for _ in range(5):
            held += connect(dns, 400)  # as many as fit into the accept queue
            await asyncio.sleep(0)
        await served(dns)
    assert dns.server._tcp is not None
    assert CONNECTIONS - 50 < len(dns.server._tcp) <= CONNECTIONS
    await served(dns)
    close(held)
    await until_there_are(dns, 0)


async def test_slow_clients(dns: Running) -> None:
    """One byte after the other, for ever."""
    slow = connect(dns, 100)
    await until_there_are(dns, 100)
    for byte in struct.pack("!H", len(QUESTION)) + QUESTION[:-1]:
        for sock in slow:
            sock.send(bytes([byte]))
        if byte == 7:
            await served(dns)
    await served(dns)
    for sock in slow[:50]:
        sock.shutdown(socket.SHUT_WR)  # half open: there is nothing more to come
    await until_there_are(dns, 50)
    close(slow)


async def test_a_slow_client_is_idle(dns: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes alone do not keep a connection open: a query does."""
    monkeypatch.setattr(tcp_module, "IDLE_SECONDS", 0.2)
    assert dns.server._tcp is not None
    dns.server._tcp._sweep()
    reader, writer = await asyncio.open_connection(dns.address, dns.port)

    async def drip() -> None:
        while True:
            writer.write(b"\xff")
            await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    dripping.cancel()
    writer.close()


async def test_who_asks_is_not_the_one_that_is_closed(dns: Running) -> None:
    reader, writer = await asyncio.open_connection(dns.address, dns.port)
    held: list[socket.socket] = []
    for _ in range(4):
        held += connect(dns, CONNECTIONS // 2)
        writer.write(struct.pack("!H", len(QUESTION)) + QUESTION)
        size = int.from_bytes(await reader.readexactly(2), "big")
        assert len(await reader.readexactly(size)) == size
    close(held)
    writer.close()


async def test_an_upstream_that_takes_connections_and_never_answers(dns: Running) -> None:
    async with upstream(lambda raw: None) as silent:
        dns.upstreams.append(silent)
        waiting = [asyncio.create_task(dns.dig(f"www{n}.example.com", "+tcp")) for n in range(20)]
        await served(dns)
        assert all("SERVFAIL" in output for output in await asyncio.gather(*waiting))


async def test_a_process_without_descriptors_serves_on() -> None:
    address = fresh_address()
    lists = {"services": [service("web", "127.96.3.4")], "namespaces": [{"metadata": {"name": "default"}}]}
    async with objects_api(lists) as api:
        process = await asyncio.create_subprocess_exec("prlimit", "--nofile=80:80", *command(api, address))
        try:
            async with asyncio.timeout(20):
                while True:
                    try:
                        await ask(address, 1)
                        break
                    except (OSError, AssertionError):
                        await asyncio.sleep(0.05)
            held = []
            for _ in range(300):
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                sock.connect_ex((address, PORT))
                held.append(sock)
            await ask(address, 20)
            reader, writer = await asyncio.open_connection(address, PORT)
            writer.write(struct.pack("!H", len(QUESTION)) + QUESTION)
            assert len(await asyncio.wait_for(reader.readexactly(20), 20)) == 20
            writer.close()
            close(held)
            assert process.returncode is None
        finally:
            process.terminate()
            await process.wait()


async def test_a_killed_process_is_back_with_its_names() -> None:
    """What restarts it does so at once; here it is the test."""
    address = fresh_address()
    lists = {"services": [service("web", "127.96.3.4")], "namespaces": [{"metadata": {"name": "default"}}]}
    async with objects_api(lists) as api:
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(*command(api, address))
            async with asyncio.timeout(20):
                while True:
                    try:
                        await ask(address, 1)
                        break
                    except (OSError, AssertionError):
                        await asyncio.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
