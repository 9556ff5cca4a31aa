"""The contract of a frontend's listener; tcp.py and udp.py forward.

A listener is given a bound socket and forwards what arrives on it to the endpoints of its rule.
`update` lets new connections follow a changed rule, without touching established ones, except for
UDP flows to an endpoint that is gone: these end. `close` stops taking new connections; TCP
connections that exist go on by themselves, as they do in Kubernetes, and UDP flows end. `close`
may be called once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from podyard.proxy.counters import ServiceCounters
from podyard.proxy.descriptors import Descriptors
from podyard.proxy.pipes import PipePool
from podyard.proxy.poller import Poller, Timers
from podyard.proxy.table import Rule


class Listener(Protocol):
    """See the module."""

    def update(self, rule: Rule) -> None:
        """Follow a changed rule of the same frontend."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all listeners of a process share."""

    poller: Poller
    pipes: PipePool
    descriptors: Descriptors
    counters: ServiceCounters
    clock: Timers
