"""Answers of others, kept for as long as their TTLs say (RFC 1035, RFC 2308)."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from podyard.dns.types import NOERROR, NXDOMAIN, OPT, SOA
from podyard.dns.wire import HEADER, HEADER_BYTES, is_truncated, skip_name

CACHE_BYTES = 8 << 20
OVERHEAD_BYTES = 400
"""What an answer takes beside its bytes."""
LONGEST_SECONDS = 3600
LONGEST_NO_SECONDS = 30
"""As kubeadm has CoreDNS: a name that somebody has just made is there soon."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How many seconds an answer may be kept, and where in it the TTLs are."""

    seconds: int
    ttls: tuple[int, ...]


@dataclass(slots=True)
class _Entry:
    answer: bytes
    ttls: tuple[int, ...]
    since: float
    until: float


class Cache:
    """Whole answers by any key; those that were not asked for the longest time go first."""

    def __init__(self, clock: Callable[[], float], most_bytes: int = CACHE_BYTES) -> None:
        self._clock = clock
        self._most = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> bytes | None:
        """The answer, its TTLs less by the time that it was here; None when it is not or no more."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock()
        if now >= entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        age = int(now - entry.since)
        return aged(entry.answer, entry.ttls, age) if age else entry.answer

    def put(self, key: Hashable, answer: bytes) -> None:
        """Keep an answer if it may be kept."""
        life = lifetime(answer)
        if life is None or life.seconds <= 0:
            return
        if key in self._entries:
            self._drop(key)
        now = self._clock()
        self._entries[key] = _Entry(answer, life.ttls, now, now + life.seconds)
        self._bytes += len(answer) + OVERHEAD_BYTES
        while self._bytes > self._most:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: Hashable) -> None:
        self._bytes -= len(self._entries.pop(key).answer) + OVERHEAD_BYTES


def lifetime(answer: bytes) -> Lifetime | None:
    """How long `answer`, a whole message, may be kept; None: not at all."""
    rcode = answer[3] & 15
    if rcode not in (NOERROR, NXDOMAIN) or is_truncated(answer):
        return None
    try:
        return _lifetime(answer, rcode)
    except (IndexError, ValueError, struct.error):
        return None  # whatever that is, it is passed on and forgotten


def _lifetime(answer: bytes, rcode: int) -> Lifetime | None:
    _, _, questions, answers, authority, additional = HEADER.unpack_from(answer)
    offset = HEADER_BYTES
    for _ in range(questions):
        offset = skip_name(answer, offset) + 4
    seconds, no_seconds = LONGEST_SECONDS, -1
    places = []
    for number in range(answers + authority + additional):
        offset = skip_name(answer, offset)
        type_, _, ttl, length = struct.unpack_from("!HHIH", answer, offset)
        end = offset + 10 + length
        if end > len(answer):
            raise ValueError("a record that is longer than the message")
        if type_ != OPT:
            ttl = 0 if ttl & 0x80000000 else ttl  # RFC 2181, section 8
            places.append(offset + 4)
            seconds = min(seconds, ttl)
            if type_ == SOA and answers <= number < answers + authority:
                (minimum,) = struct.unpack_from("!I", answer, end - 4)
                no_seconds = min(ttl, minimum, LONGEST_NO_SECONDS)
        offset = end
    if rcode == NXDOMAIN or not answers:
        seconds = min(seconds, no_seconds)  # without an SOA "no" may not be kept (RFC 2308, section 5)
    return Lifetime(seconds, tuple(places))


def aged(answer: bytes, ttls: tuple[int, ...], seconds: int) -> bytes:
    """`answer` with its TTLs less by `seconds`."""
    older = bytearray(answer)
    for place in ttls:
        (ttl,) = struct.unpack_from("!I", older, place)
        struct.pack_into("!I", older, place, max(ttl - seconds, 0))
    return bytes(older)
