"""Health check node ports."""

from __future__ import annotations

import asyncio
import json

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.frontends import Frontends
from podyard.proxy.health import HealthListener
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.table import HEALTH_CHECK, Changes, Endpoint, Frontend, Rule

from .fakes import Forwarders


def rule(*endpoints: Endpoint) -> Rule:
    return Rule(("default", "web"), "", HEALTH_CHECK, endpoints)


async def ask(address: str, request: bytes = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[str, str]:
    """Status line and body."""
    reader, writer = await asyncio.open_connection(address, 30500)
    writer.write(request)
    if not request.endswith(b"\r\n\r\n"):
        writer.write_eof()
    text = (await reader.read()).decode()
    writer.close()
    head, _, body = text.partition("\r\n\r\n")
    return head.split("\r\n")[0], body


async def test_it_tells_how_many_there_are(address: str) -> None:
    listener = HealthListener(Frontend("TCP", address, 30500), rule())
    status, body = await ask(address)
    assert status == "HTTP/1.1 503 Service Unavailable"
    listener.update(rule(("127.0.0.1", 0), ("127.0.0.2", 0)))
    status, body = await ask(address)
    assert status == "HTTP/1.1 200 OK"
    assert json.loads(body) == {
        "service": {"namespace": "default", "name": "web"},
        "localEndpoints": 2,
        "serviceProxyHealthy": True,
    }
    assert await ask(address, b"half a reque") == ("", "")
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(address)


async def test_it_is_opened_as_the_table_says(address: str) -> None:
    frontends = Frontends(
        Forwarders(), ProxyMetrics(), FakeClock(), lambda *failure: pytest.fail(str(failure))
    )
    frontend = Frontend("TCP", address, 30500)
    frontends.apply(Changes(set={frontend: rule()}))
    assert (await ask(address))[0].startswith("HTTP/1.1 503")
    frontends.apply(Changes(removed=[frontend]))
    with pytest.raises(ConnectionRefusedError):
        await ask(address)
