from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.frontends import RETRY_SECONDS, Frontends
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.table import Changes, Frontend, Rule

from .fakes import Forwarders

SERVICE = ("default", "web")


class Failures:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, frontend: Frontend, rule: Rule, reason: str) -> None:
        self.seen.append(f"{frontend}: {reason}")


def rule(kind: str = "ClusterIP") -> Rule:
    return Rule(SERVICE, "", kind, (("127.200.1.1", 9),))


def refuses(frontend: Frontend) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((frontend.address, frontend.port)) != 0


async def test_a_taken_port_is_reported_once_and_tried_again(
    clock: FakeClock, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures()
    forwarders, metrics = Forwarders(), ProxyMetrics()
    frontends = Frontends(forwarders, metrics, clock, failures)
    taken, free = Frontend("TCP", address, 80), Frontend("TCP", address, 81)
    with socket.socket() as holder:
        holder.bind((address, 80))
        holder.listen()
        frontends.apply(Changes(set={taken: rule(), free: rule()}))
        assert failures.seen == [f"{taken}: Address already in use"]
        assert not refuses(free)
        clock.advance(RETRY_SECONDS)
        clock.advance(RETRY_SECONDS)
        frontends.apply(Changes(set={taken: rule()}))
        assert (metrics.listeners, metrics.failed_listeners) == (1, 1)
    assert len(failures.seen) == 1
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1
    clock.advance(RETRY_SECONDS)
    assert (metrics.listeners, metrics.failed_listeners) == (2, 0)
    frontends.apply(Changes(removed=[taken]))
    assert refuses(taken)
    forwarders.close()
    frontends.close()
    assert refuses(free)
    assert metrics.listeners == 0


async def test_an_address_of_another_node_is_no_failure(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures()
    forwarders, metrics = Forwarders(), ProxyMetrics()
    frontends = Frontends(forwarders, metrics, clock, failures)
    with caplog.at_level(logging.INFO):
        frontends.apply(Changes(set={Frontend("TCP", "192.0.2.1", 80): rule("ExternalIP")}))
    assert failures.seen == []
    assert "default/web: 192.0.2.1:80/TCP is not an address of this node" in caplog.text
    frontends.close()
    clock.advance(RETRY_SECONDS)


async def test_a_removed_frontend_is_not_tried_again(clock: FakeClock, address: str) -> None:
    frontends = Frontends(Forwarders(), ProxyMetrics(), clock, Failures())
    frontend = Frontend("TCP", address, 80)
    with socket.socket() as holder:
        holder.bind((address, 80))
        holder.listen()
        frontends.apply(Changes(set={frontend: rule()}))
        frontends.apply(Changes(removed=[frontend]))
    clock.advance(RETRY_SECONDS)
    await asyncio.sleep(0)
    assert refuses(frontend)
