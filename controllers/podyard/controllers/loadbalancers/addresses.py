"""Which address a Service of type LoadBalancer gets: pure, from the Services alone."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from podyard.controllers.meta import Object, is_terminating, status_of

CLASS = "podyard.io/loopback"
"""The `loadBalancerClass` that this implementation answers to, beside none."""

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


class Unavailable(Exception):
    """No address can be given; the text says why."""


def is_ours(service: Object) -> bool:
    """Whether the Service asks for a load balancer, and not for somebody else's."""
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") in (None, CLASS)


def wants_balancer(service: Object) -> bool:
    """Whether the Service is to have one now."""
    return is_ours(service) and not is_terminating(service)


def has_finalizer(service: Object) -> bool:
    """Whether its deletion waits for this controller."""
    return FINALIZER in (service["metadata"].get("finalizers") or ())


def addresses_of(service: Object) -> list[str]:
    """The addresses that it has been given."""
    ingress = (status_of(service).get("loadBalancer") or {}).get("ingress") or ()
    return [item["ip"] for item in ingress if item.get("ip")]


def ingress_of(address: str) -> list[Object]:
    """What status.loadBalancer.ingress says of an address on which the proxies listen."""
    return [{"ip": address, "ipMode": "VIP"}]


def choose(pool: IPv4Network, service: Object, others: Iterable[Object]) -> str:
    """The address of a Service beside `others`. Raises Unavailable.

    It keeps the one it has, unless spec.loadBalancerIP asks for another; a new one is the lowest that
    is free.
    """
    taken = _taken(others)
    asked = service["spec"].get("loadBalancerIP")
    if asked:
        return _asked(pool, asked, taken)
    for address in addresses_of(service):
        if _usable(pool, address) and address not in taken:
            return address
    # Of n+1 addresses at least one is not among n.
    for offset in range(1, min(len(taken) + 2, pool.num_addresses - 1)):
        address = str(pool.network_address + offset)
        if address not in taken:
            return address
    raise Unavailable(f"no address is left in {pool}")


def _asked(pool: IPv4Network, text: str, taken: dict[str, str]) -> str:
    try:
        address = str(IPv4Address(text))
    except ValueError:
        raise Unavailable(f"{text} is not an IPv4 address") from None
    if not _usable(pool, address):
        raise Unavailable(f"{address} is not in the range of load balancers, {pool}")
    if address in taken:
        raise Unavailable(f"{address} is in use by the Service {taken[address]}")
    return address


def _usable(pool: IPv4Network, text: str) -> bool:
    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    return address in pool and address not in (pool.network_address, pool.broadcast_address)


def _taken(services: Iterable[Object]) -> dict[str, str]:
    """Addresses and the Services that have them, for load balancers or as externalIPs."""
    found = {}
    for service in services:
        metadata = service["metadata"]
        for address in (*addresses_of(service), *(service["spec"].get("externalIPs") or ())):
            found[address] = f"{metadata['namespace']}/{metadata['name']}"
    return found
