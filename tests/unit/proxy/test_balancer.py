from __future__ import annotations

from collections import Counter

from podyard.process.clock import FakeClock
from podyard.proxy import balancer as module
from podyard.proxy.balancer import Balancer
from podyard.proxy.table import Endpoint, Rule

ENDPOINTS = tuple((f"127.200.1.{number}", 80) for number in range(1, 6))


def rule(endpoints: tuple[Endpoint, ...] = ENDPOINTS, affinity: int = 0) -> Rule:
    return Rule(("default", "web"), "", "ClusterIP", endpoints, affinity)


def test_every_endpoint_in_turn() -> None:
    balancer = Balancer(rule(), FakeClock())
    assert set(Counter(balancer.pick("client") for _ in range(50)).values()) == {10}


def test_another_endpoint_when_one_was_tried() -> None:
    balancer = Balancer(rule(), FakeClock())
    tried: tuple[Endpoint, ...] = ()
    while (endpoint := balancer.pick_other("client", tried)) is not None:
        assert endpoint not in tried
        tried = (*tried, endpoint)
    assert set(tried) == set(ENDPOINTS)


def test_affinity_keeps_a_client_until_the_timeout() -> None:
    clock = FakeClock()
    balancer = Balancer(rule(affinity=10), clock)
    clients = [f"127.0.0.{number}" for number in range(50)]
    first = {client: balancer.pick(client) for client in clients}
    assert len(set(first.values())) > 1
    clock.advance(9)
    # An endpoint more: who is remembered stays.
    balancer.update(rule((*ENDPOINTS, ("127.200.1.9", 80)), affinity=10))
    assert {client: balancer.pick(client) for client in clients} == first
    # Each use starts the time again.
    clock.advance(9)
    assert {client: balancer.pick(client) for client in clients} == first
    clock.advance(10)
    assert ("127.200.1.9", 80) in {balancer.pick(client) for client in clients}


def test_affinity_moves_only_the_clients_of_an_endpoint_that_went() -> None:
    balancer = Balancer(rule(affinity=10), FakeClock())
    clients = [f"127.0.0.{number}" for number in range(50)]
    first = {client: balancer.pick(client) for client in clients}
    balancer.update(rule(ENDPOINTS[1:], affinity=10))
    for client in clients:
        now = balancer.pick(client)
        assert now == first[client] or first[client] == ENDPOINTS[0]
        assert now != ENDPOINTS[0]


def test_affinity_two_proxies_agree() -> None:
    one, two = (Balancer(rule(affinity=10), FakeClock()) for _ in range(2))
    clients = [f"127.0.0.{number}" for number in range(50)]
    assert [one.pick(client) for client in clients] == [two.pick(client) for client in clients]


def test_affinity_a_failed_connect_moves_the_client() -> None:
    balancer = Balancer(rule(affinity=10), FakeClock())
    first = balancer.pick("client")
    assert first is not None
    second = balancer.pick_other("client", (first,))
    assert second != first
    assert balancer.pick("client") == second


def test_remembered_clients_are_bounded() -> None:
    balancer = Balancer(rule(affinity=10), FakeClock())
    for number in range(module.REMEMBERED_CLIENTS + 10):
        balancer.pick(str(number))
    assert len(balancer._clients) == module.REMEMBERED_CLIENTS
