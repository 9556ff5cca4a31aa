"""Answers kept as bytes, by the bytes of their questions.

Neither the questions nor the answers have their ids here, and a key has its name in lower case.
Answers to other spellings of the name (0x20) differ in the question alone, to which their records
point. Each answer stands under the names that it was made of: when one of these changes, just those
answers go.

There are two generations. When the young one is full it becomes the old one, and what was the old
one is dropped; what is asked for again becomes young. So names that are asked for stay through a
flood of names that are not, and memory is bounded.

Two threads work with them: the hot path's finds answers, and the event loop's keeps and forgets them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from podyard.dns.types import AAAA, A
from podyard.dns.wire import HEADER_BYTES, OPT_BYTES, Query

GENERATION_BYTES = 16 << 20
"""What one generation takes of memory, roughly."""
OVERHEAD_BYTES = 600
"""What a kept answer takes beside the bytes of itself and its question."""
NAME_BEGINS = HEADER_BYTES - 2
RECORD_BYTES = {A: 16, AAAA: 28}
"""Of a record whose name is a pointer."""


@dataclass(slots=True)
class _Turning:
    """An answer with several addresses, of which each is the first in its turn."""

    head: bytes
    records: bytes
    size: int
    tail: bytes
    begin: int = 0

    def next(self) -> bytes:
        self.begin = (self.begin + self.size) % len(self.records)
        return self.head + self.records[self.begin :] + self.records[: self.begin] + self.tail


@dataclass(slots=True)
class _Generation:
    ready: dict[bytes, bytes] = field(default_factory=dict)
    turning: dict[bytes, _Turning] = field(default_factory=dict)


class Answers:
    """The kept answers to questions about the cluster."""

    def __init__(self, generation_bytes: int = GENERATION_BYTES) -> None:
        self._generation_bytes = generation_bytes
        self._lock = threading.Lock()
        self._begin()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._begin()

    def _begin(self) -> None:
        self._young = _Generation()
        self._old = _Generation()
        self._by_name: dict[str, set[bytes]] = {}
        self._bytes = 0
        self.ready = self._young.ready
        """The young answers that are always the same, by key: what the hot path looks at."""

    def __len__(self) -> int:
        parts = (self._young, self._old)
        return sum(len(part.ready) + len(part.turning) for part in parts)

    def find(self, asked: bytes) -> bytes | None:
        """The answer to a message, if it is kept."""
        end = asked.find(0, NAME_BEGINS) + 1
        key = _key(asked, end)
        with self._lock:
            answer = self._young_answer(key)
            if answer is None and self._rejuvenate(key):
                answer = self._young_answer(key)
        if answer is None:
            return None
        return answer[:NAME_BEGINS] + asked[NAME_BEGINS:end] + answer[end:]

    def keep(self, query: Query, answer: bytes, names: Iterable[str]) -> None:
        """Keep the answer to `query`, a whole message made of what is at `names`."""
        asked, answer = query.raw[2:], answer[2:]
        end = asked.find(0, NAME_BEGINS) + 1
        if not query.plain or end != query.name_end - 2:  # a zero within a label would end the key's name
            return
        key = _key(asked, end)
        answer = answer[:NAME_BEGINS] + asked[NAME_BEGINS:end].lower() + answer[end:]
        begin, size, stop = _addresses(query, answer)
        with self._lock:
            if self._bytes >= self._generation_bytes:
                self._age()
            if stop - begin > size:
                turning = _Turning(answer[:begin], answer[begin:stop], size, answer[stop:])
                self._young.turning[key] = turning
            else:
                self.ready[key] = answer
            for name in names:
                self._by_name.setdefault(name, set()).add(key)
            self._bytes += len(key) + len(answer) + OVERHEAD_BYTES

    def forget(self, names: Iterable[str]) -> None:
        """Drop the answers that were made of what was at one of these names."""
        with self._lock:
            for name in names:
                for key in self._by_name.pop(name, ()):
                    for part in (self._young, self._old):
                        part.ready.pop(key, None)
                        part.turning.pop(key, None)

    def _young_answer(self, key: bytes) -> bytes | None:
        answer = self.ready.get(key)
        if answer is None and (turning := self._young.turning.get(key)) is not None:
            answer = turning.next()
        return answer

    def _rejuvenate(self, key: bytes) -> bool:
        answer, turning = self._old.ready.pop(key, None), self._old.turning.pop(key, None)
        if answer is not None:
            self.ready[key] = answer
            self._bytes += len(key) + len(answer) + OVERHEAD_BYTES
        if turning is not None:
            self._young.turning[key] = turning
            self._bytes += len(key) + len(turning.next()) + OVERHEAD_BYTES
        return answer is not None or turning is not None

    def _age(self) -> None:
        self._old, self._young = self._young, _Generation()
        self.ready = self._young.ready
        self._bytes = 0
        kept = self._old.ready.keys() | self._old.turning.keys()
        by_name = ((name, keys & kept) for name, keys in self._by_name.items())
        self._by_name = {name: keys for name, keys in by_name if keys}


def _key(asked: bytes, name_end: int) -> bytes:
    # Only the name is compared without regard to case: in the bytes after it, 65 and 97 differ.
    return asked[:NAME_BEGINS] + asked[NAME_BEGINS:name_end].lower() + asked[name_end:]


def _addresses(query: Query, answer: bytes) -> tuple[int, int, int]:
    """Where the address records that an answer ends in begin, the size of each, and where they end.

    They are next to each other, and differ in the address alone.
    """
    size = RECORD_BYTES.get(query.type, 0)
    stop = begin = len(answer) - (OPT_BYTES if query.edns else 0)
    number = int.from_bytes(answer[4:6], "big") if size else 0  # of the answers
    if int.from_bytes(answer[6:8], "big"):  # authority comes after them
        number = 0
    start = answer[stop - size : stop - size + 12]
    while number and answer[begin - size : begin - size + 12] == start:
        begin -= size
        number -= 1
    return (begin, size, stop) if begin < stop else (len(answer), 0, len(answer))
