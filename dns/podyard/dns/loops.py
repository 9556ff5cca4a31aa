"""Finds upstreams that ask us in turn: one question of its own for each, by which it is known again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from podyard.dns.exchange import Upstream, ask_udp
from podyard.dns.types import HINFO
from podyard.dns.wire import question

LISTEN_SECONDS = 5.0
"""How long a question may be on its way round."""

logger = logging.getLogger("dns")


class Loops:
    """`found` has the upstreams whose questions come back to us."""

    def __init__(self) -> None:
        self.found: set[Upstream] = set()
        self._sent: dict[str, Upstream] = {}
        self._task: asyncio.Task[None] | None = None

    def look_for(self, upstreams: list[Upstream]) -> None:
        """Start anew with these upstreams: all of them are asked for a name that nobody else asks for."""
        self.found.clear()
        self._sent = {f"{secrets.token_hex(8)}.{secrets.token_hex(8)}": one for one in upstreams}
        self.close()
        self._task = asyncio.get_running_loop().create_task(self._ask())

    def comes_back(self, name: str) -> bool:
        """Whether a query for `name` is one of ours; then who sent it here is found out."""
        upstream = self._sent.pop(name, None)
        if upstream is None:
            return False
        self.found.add(upstream)
        logger.warning("upstream %s:%d asks us what we ask it: it is not asked any more", *upstream)
        return True

    def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()

    async def _ask(self) -> None:
        async with asyncio.TaskGroup() as group:
            for name, upstream in self._sent.items():
                group.create_task(_ask_one(upstream, name))
        self._sent = {}


async def _ask_one(upstream: Upstream, name: str) -> None:
    asked = question(name, HINFO)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LISTEN_SECONDS):
            await ask_udp(upstream, asked[2:], len(asked) - 4)
