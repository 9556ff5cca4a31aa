"""Load balancers: which address, and what the controller does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import EVENTS, SERVICES
from podyard.controllers import command
from podyard.controllers.loadbalancers.addresses import (
    CLASS,
    FINALIZER,
    Unavailable,
    addresses_of,
    choose,
    is_ours,
)
from podyard.process.main import UserError
from tests.support.certificates import Authority
from tests.unit.controllers.control_plane import ControlPlane, arguments, control_plane
from tests.unit.controllers.objects import Object

POOL = IPv4Network("127.99.0.0/29")  # .1 to .6


def balancer(name: str = "web", ip: str = "", **spec: Any) -> Object:
    ingress = {"ingress": [{"ip": ip}]} if ip else {}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}], **spec},
        "status": {"loadBalancer": ingress},
    }


@pytest.mark.parametrize(
    ("service", "others", "expected"),
    [
        (balancer(), [], "127.99.0.1"),
        (balancer(), [balancer("a", "127.99.0.1"), balancer("b", "127.99.0.3")], "127.99.0.2"),
        (balancer(ip="127.99.0.4"), [balancer("a", "127.99.0.1")], "127.99.0.4"),
        (balancer(ip="127.99.0.4"), [balancer("a", "127.99.0.4")], "127.99.0.1"),
        (balancer(ip="10.0.0.1"), [], "127.99.0.1"),
        (balancer(ip="127.99.0.7"), [], "127.99.0.1"),
        (balancer(loadBalancerIP="127.99.0.5"), [], "127.99.0.5"),
        (balancer(ip="127.99.0.4", loadBalancerIP="127.99.0.5"), [], "127.99.0.5"),
        (balancer(), [balancer("a", type="ClusterIP", externalIPs=["127.99.0.1"])], "127.99.0.2"),
    ],
)
def test_choose(service: Object, others: list[Object], expected: str) -> None:
    assert choose(POOL, service, others) == expected


@pytest.mark.parametrize(
    ("service", "others", "why"),
    [
        (
            balancer(loadBalancerIP="127.99.0.5"),
            [balancer("a", "127.99.0.5")],
            "127.99.0.5 is in use by the Service default/a",
        ),
        (
            balancer(ip="127.99.0.1", loadBalancerIP="10.0.0.1"),
            [],
            "10.0.0.1 is not in the range of load balancers, 127.99.0.0/29",
        ),
        (balancer(loadBalancerIP="::1"), [], "::1 is not an IPv4 address"),
        (
            balancer(),
            [balancer(str(n), f"127.99.0.{n}") for n in range(1, 7)],
            "no address is left in 127.99.0.0/29",
        ),
    ],
)
def test_no_address(service: Object, others: list[Object], why: str) -> None:
    with pytest.raises(Unavailable) as refused:
        choose(POOL, service, others)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, True),
        ({"loadBalancerClass": CLASS}, True),
        ({"loadBalancerClass": "example.com/other"}, False),
        ({"type": "NodePort"}, False),
    ],
)
def test_whose_it_is(spec: Object, expected: bool) -> None:
    assert is_ours(balancer(**spec)) is expected


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with control_plane(tmp_path, "--load-balancer-cidr", str(POOL), nodes=0) as started:
        yield started


def given(services: list[Object], name: str = "web") -> str:
    """The address that a Service has, "" without one."""
    found = [service for service in services if service["metadata"]["name"] == name]
    return next((address for service in found for address in addresses_of(service)), "")


async def events(plane: ControlPlane, *wanted: str) -> list[str]:
    """The messages of the Events once all the reasons are there."""

    def told(all_: list[Object]) -> list[str]:
        found = [event for event in all_ if event["reason"] in wanted]
        complete = {event["reason"] for event in found} == set(wanted)
        return [str(event["message"]) for event in found] if complete else []

    return await plane.until(EVENTS, told)


async def test_a_service_gets_an_address_and_gives_it_back(plane: ControlPlane) -> None:
    await plane.client.create(SERVICES, balancer())
    assert await plane.until(SERVICES, given) == "127.99.0.1"
    service = await plane.client.get(SERVICES, "web", "default")
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": "127.99.0.1", "ipMode": "VIP"}]
    assert service["metadata"]["finalizers"] == [FINALIZER]
    assert await events(plane, "EnsuringLoadBalancer", "EnsuredLoadBalancer") == [
        "Ensuring load balancer",
        "Ensured load balancer",
    ]
    await plane.client.delete(SERVICES, "web", "default")
    await plane.until(SERVICES, lambda services: all(s["metadata"]["name"] != "web" for s in services))
    await plane.client.create(SERVICES, balancer("next"))
    assert await plane.until(SERVICES, lambda services: given(services, "next")) == "127.99.0.1"


async def test_another_type_takes_the_address_away(plane: ControlPlane) -> None:
    await plane.client.create(SERVICES, balancer())
    await plane.until(SERVICES, given)
    changed = await plane.client.patch(SERVICES, "web", "default", {"spec": {"type": "NodePort"}})
    assert changed["status"]["loadBalancer"] == {}
    await plane.until(SERVICES, lambda s: s and all("finalizers" not in o["metadata"] for o in s))
    assert await events(plane, "Type", "DeletingLoadBalancer", "DeletedLoadBalancer")
    assert await events(plane, "Type") == ["LoadBalancer -> NodePort"]


async def test_an_address_that_is_taken_is_given_once_it_is_free(plane: ControlPlane) -> None:
    await plane.client.create(SERVICES, balancer("first"))
    await plane.until(SERVICES, lambda services: given(services, "first"))
    await plane.client.create(SERVICES, balancer(loadBalancerIP="127.99.0.1"))
    assert await events(plane, "SyncLoadBalancerFailed") == [
        "Error syncing load balancer: failed to ensure load balancer: "
        "127.99.0.1 is in use by the Service default/first"
    ]
    await plane.client.delete(SERVICES, "first", "default")
    assert await plane.until(SERVICES, given) == "127.99.0.1"


async def test_others_load_balancers_are_theirs(plane: ControlPlane) -> None:
    await plane.client.create(SERVICES, balancer("theirs", loadBalancerClass="example.com/other"))
    await plane.client.create(SERVICES, balancer())
    await plane.until(SERVICES, given)
    theirs = await plane.client.get(SERVICES, "theirs", "default")
    assert theirs["status"]["loadBalancer"] == {}
    assert "finalizers" not in theirs["metadata"]


async def test_addresses_stay_over_a_restart(tmp_path: Path) -> None:
    async with control_plane(tmp_path, nodes=0) as plane:
        for name in ("a", "b"):
            await plane.client.create(SERVICES, balancer(name))
        await plane.until(SERVICES, lambda services: given(services, "a") and given(services, "b"))
        await plane.client.delete(SERVICES, "a", "default")
        await plane.until(SERVICES, lambda services: not given(services, "a"))
        kept = given(plane.all(SERVICES), "b")
    async with control_plane(tmp_path, nodes=0) as plane:
        await plane.client.create(SERVICES, balancer("c"))
        await plane.until(SERVICES, lambda services: given(services, "c"))
        assert given(plane.all(SERVICES), "b") == kept


async def test_a_range_that_is_none_is_refused(tmp_path: Path) -> None:
    tls = Authority(tmp_path).issue("controller-manager")
    with pytest.raises(UserError, match="--load-balancer-cidr"):
        await command.main(arguments("127.0.0.1:1", tls, "--load-balancer-cidr", "x"))
