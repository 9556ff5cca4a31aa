"""Which endpoint the next connection of a frontend goes to."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Collection
from hashlib import blake2b

from podyard.proxy.poller import Timers
from podyard.proxy.table import Endpoint, Rule

REMEMBERED_CLIENTS = 65536
"""How many clients of one frontend keep their endpoint; beyond that the one away longest loses it."""
FIRST_REST_SECONDS = 0.25
LONGEST_REST_SECONDS = 30.0
"""How long an endpoint that fails again and again is left alone, as long as there are others."""


class Balancer:
    """Round robin over the endpoints of a rule, with session affinity where the rule asks for it.

    A client without a remembered endpoint gets the one that its address hashes to (rendezvous
    hashing), so that two proxies which share an address, or one that was restarted, mostly agree.

    An endpoint that a connect failed to rests, twice as long each time; a connect that succeeds ends that.
    After a rest one connection tries it, and the others wait for what becomes of that: a host that is gone
    costs each of them the time of a connect. Resting endpoints are chosen when there is no other.
    """

    def __init__(self, rule: Rule, clock: Timers) -> None:
        self._clock = clock
        self._next = random.randrange(len(rule.endpoints))
        self._clients: OrderedDict[str, tuple[Endpoint, float]] = OrderedDict()
        self._endpoints = rule.endpoints
        self._affinity = float(rule.affinity_seconds)
        self._resting: dict[Endpoint, tuple[float, float]] = {}  # until when, how long

    def update(self, rule: Rule) -> None:
        """Follow a changed rule. Clients keep their endpoints as far as these are still there."""
        self._endpoints = rule.endpoints
        self._affinity = float(rule.affinity_seconds)
        if not self._affinity:
            self._clients.clear()
        self._resting = {one: rest for one, rest in self._resting.items() if one in rule.endpoints}

    def pick(self, client: str) -> Endpoint:
        """The endpoint for a connection from address `client`."""
        endpoints = self._endpoints
        if self._resting or self._affinity:
            return self._choose(client, endpoints)
        self._next += 1
        return endpoints[self._next % len(endpoints)]

    def pick_other(self, client: str, tried: Collection[Endpoint]) -> Endpoint | None:
        """The same, of those that have not been `tried`; None when all have been."""
        endpoints = tuple(endpoint for endpoint in self._endpoints if endpoint not in tried)
        return self._choose(client, endpoints) if endpoints else None

    def has_other(self, tried: Collection[Endpoint]) -> bool:
        """Whether there is an endpoint that has not been `tried`."""
        return any(endpoint not in tried for endpoint in self._endpoints)

    def is_suspected(self, endpoint: Endpoint) -> bool:
        """Whether the last that is known of it is a failure, or that it is gone."""
        return endpoint in self._resting or endpoint not in self._endpoints

    def failed(self, endpoint: Endpoint) -> None:
        """A connect to it failed, or lasts."""
        if endpoint in self._endpoints and endpoint not in self._resting:
            self._resting[endpoint] = (self._clock.now() + FIRST_REST_SECONDS, FIRST_REST_SECONDS)

    def succeeded(self, endpoint: Endpoint) -> None:
        """A connect to it succeeded."""
        if self._resting:
            self._resting.pop(endpoint, None)

    def _choose(self, client: str, endpoints: tuple[Endpoint, ...]) -> Endpoint:
        if self._resting:
            now = self._clock.now()
            awake = tuple(
                one for one in endpoints if one not in self._resting or self._resting[one][0] <= now
            )
            endpoints = awake or endpoints
        if self._affinity:
            endpoint = self._stick(client, endpoints)
        else:
            self._next += 1
            endpoint = endpoints[self._next % len(endpoints)]
        if endpoint in self._resting:
            self._rest(endpoint)
        return endpoint

    def _rest(self, endpoint: Endpoint) -> None:
        """Let it rest longer than before, unless it does rest."""
        now = self._clock.now()
        until, last = self._resting[endpoint]
        if until <= now:
            rest = min(last * 2, LONGEST_REST_SECONDS)
            self._resting[endpoint] = (now + rest, rest)

    def _stick(self, client: str, endpoints: tuple[Endpoint, ...]) -> Endpoint:
        now = self._clock.now()
        endpoint, used = self._clients.pop(client, (None, 0.0))
        if endpoint is None or now - used >= self._affinity or endpoint not in endpoints:
            endpoint = max(endpoints, key=lambda one: _weight(client, one))
        self._clients[client] = (endpoint, now)
        if len(self._clients) > REMEMBERED_CLIENTS:
            self._clients.popitem(last=False)
        return endpoint


def _weight(client: str, endpoint: Endpoint) -> bytes:
    return blake2b(f"{client} {endpoint[0]} {endpoint[1]}".encode(), digest_size=8).digest()
