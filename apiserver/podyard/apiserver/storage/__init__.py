"""Storage: where encoded objects are kept, each at a revision.

Contract, which `tests/unit/apiserver/storage_suite.py` checks for every engine:

- One revision counter is shared by all keys. Every accepted put or delete raises it and gives
  the change the new value; it never goes back, also not over a restart.
- A write names the revision that the key has as far as the writer knows (0: absent), and is
  refused with `Conflict` when that is not so. There are no unconditional writes.
- When a write returns it is on disk: it survives kill -9 and power loss.
- The recent changes are kept as a log, so that `watch` can go on from an older revision, also
  after a restart, and `list` can look back. How far is the engine's affair; what is gone raises
  `Compacted`.
- A watcher sees every change once, in order of revision, and soon after its commit. It is never
  skipped: a watcher that does not read lets changes pile up in memory, so there is one alone, the
  watch cache, which reads at once.
- Keys are text without NUL; `list` and `watch` sort and compare them by code point.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


class StorageError(Exception):
    """The engine could not do it (disk full, input/output error). Nothing was changed."""


class Conflict(Exception):
    """The key is not at the expected revision; `revision` is where it is (0: absent)."""

    def __init__(self, key: str, revision: int) -> None:
        super().__init__(f"{key} is at revision {revision}")
        self.revision = revision


class Compacted(Exception):
    """That revision is no longer kept; `oldest` is the first from which one can go on."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"revisions before {oldest} are gone")
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Value:
    """What a key holds, and the revision that put it there."""

    key: str
    revision: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One put, or one delete when `data` is None."""

    revision: int
    key: str
    data: bytes | None


class Storage(Protocol):
    """A storage engine."""

    async def revision(self) -> tuple[int, int]:
        """The oldest revision from which one can `list` and `watch`, and the latest."""

    async def get(self, key: str) -> Value | None:
        """What a key holds now."""

    async def list(self, prefix: str, revision: int | None = None) -> tuple[Value, ...]:
        """The keys that begin with `prefix`, in order; as they are now, or were at `revision`."""

    async def put(self, key: str, data: bytes, expected: int) -> int:
        """Set a key that is at revision `expected`; give the new revision."""

    async def delete(self, key: str, expected: int) -> int:
        """Remove a key that is at revision `expected` (not 0); give the revision of the removal."""

    def watch(self, after: int) -> AsyncGenerator[tuple[Change, ...], None]:
        """Follow all changes after revision `after`, those of one commit together."""

    async def close(self) -> None:
        """Let go of the files; writes that wait are finished first."""
