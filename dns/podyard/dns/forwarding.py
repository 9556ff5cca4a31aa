"""Names outside of the cluster: asked of the upstream servers, one after the other.

Equal questions that are asked at the same time go upstream once, and answers are kept as long as
they say. That also ends loops: when an upstream asks us what we are just asking it, that question
joins ours, and is never sent round again. An upstream that does so is found out (see
`podyard.dns.loops`) and asked no more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from podyard.dns.cache import Cache
from podyard.dns.exchange import Upstream, ask_tcp, ask_udp
from podyard.dns.loops import Loops
from podyard.dns.types import NOERROR, NXDOMAIN
from podyard.dns.wire import HEADER_BYTES, Query, forwarded

TIMEOUT_SECONDS = 1.5
"""How long one upstream may take."""
ROUNDS = 2
"""How often each is asked: a datagram may be lost."""
PASSED_OVER_SECONDS = 10.0
"""How long one that did not answer comes last."""
CONCURRENT = 1000
"""Questions under way, each with a socket; more than that fail at once."""

Key = tuple[bool, bytes]

logger = logging.getLogger("dns")


class NoAnswer(Exception):
    """No upstream has answered."""


@dataclass(slots=True)
class _Health:
    failed_at: float = float("-inf")
    reported: bool = False


class Forwarder:
    """Asks upstreams. `upstreams` is called for every question and gives them in order."""

    def __init__(
        self,
        upstreams: Callable[[], list[Upstream]],
        timeout: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        concurrent: int = CONCURRENT,
    ) -> None:
        self._upstreams = upstreams
        self._timeout = timeout
        self._concurrent = concurrent
        self._last: list[Upstream] = []
        self._asking: dict[Key, asyncio.Task[bytes]] = {}
        self._health: dict[Upstream, _Health] = {}
        self.cache = Cache(clock)
        self.loops = Loops()

    def available(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._usable())

    def kept(self, query: Query, *, tcp: bool) -> bytes | None:
        """The answer that an upstream gave before, if it still holds."""
        answer = self.cache.get(_key(query, tcp))
        return None if answer is None else _for(query, answer)

    async def ask(self, query: Query, *, tcp: bool) -> bytes:
        """The answer to `query`, with its id and letter case. Raises NoAnswer."""
        kept = self.kept(query, tcp=tcp)
        if kept is not None:
            return kept
        key = _key(query, tcp)
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= self._concurrent:
                raise NoAnswer("too many questions are under way")
            asked = self._ask_all(forwarded(query), query.name_end, tcp)
            task = self._asking[key] = asyncio.create_task(asked)
            task.add_done_callback(lambda done: self._done(key, done))
        return _for(query, await asyncio.shield(task))

    def close(self) -> None:
        """Ask no more on its own."""
        self.loops.close()

    def _usable(self) -> list[Upstream]:
        now = self._upstreams()
        if now != self._last:  # another network, perhaps: its names are other ones
            self._last = list(now)
            self.cache.clear()
            self.loops.look_for(now)
        return [one for one in now if one not in self.loops.found]

    def _done(self, key: Key, task: asyncio.Task[bytes]) -> None:
        del self._asking[key]
        if not task.cancelled() and task.exception() is None:  # whoever asked has seen an exception
            self.cache.put(key, task.result())

    async def _ask_all(self, question: bytes, name_end: int, tcp: bool) -> bytes:
        loop = asyncio.get_running_loop()
        refusal = b""
        upstreams = self._usable()
        recent = loop.time() - PASSED_OVER_SECONDS
        upstreams.sort(key=lambda one: self._health_of(one).failed_at >= recent)  # stable: order is kept
        for upstream in upstreams * ROUNDS:
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await (ask_tcp if tcp else ask_udp)(upstream, question, name_end)
            except (OSError, TimeoutError, EOFError) as error:
                self._failed(upstream, error)
                continue
            self._answered(upstream)
            if answer[3] & 15 in (NOERROR, NXDOMAIN):
                return answer
            refusal = refusal or answer  # another may know more, as resolv.conf(5) has it
        if refusal:
            return refusal
        raise NoAnswer("no upstream answers")

    def _health_of(self, upstream: Upstream) -> _Health:
        return self._health.setdefault(upstream, _Health())

    def _failed(self, upstream: Upstream, error: Exception) -> None:
        health = self._health_of(upstream)
        health.failed_at = asyncio.get_running_loop().time()
        if not health.reported:
            health.reported = True
            logger.warning("upstream %s:%d does not answer: %s", *upstream, str(error) or "timeout")

    def _answered(self, upstream: Upstream) -> None:
        health = self._health_of(upstream)
        if health.reported:
            logger.info("upstream %s:%d answers again", *upstream)
        self._health[upstream] = _Health()


def _key(query: Query, tcp: bool) -> Key:
    """All that an answer depends on: the question without regard to the name's case, the flags, EDNS."""
    question, end = forwarded(query), query.name_end - 2
    # Only the name is compared without regard to case: in the bytes after it, 65 and 97 differ.
    return tcp, question[: HEADER_BYTES - 2] + question[HEADER_BYTES - 2 : end].lower() + question[end:]


def _for(query: Query, answer: bytes) -> bytes:
    """An upstream's answer to an equal question, with the id and the letter case of `query`."""
    raw, end = query.raw, query.name_end
    return raw[:2] + answer[2:HEADER_BYTES] + raw[HEADER_BYTES:end] + answer[end:]
