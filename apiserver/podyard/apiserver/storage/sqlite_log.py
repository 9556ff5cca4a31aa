"""The log of revisions in a SQLite file: plain calls, all from one thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podyard.apiserver.storage import Change, Compacted, Conflict, StorageError, Value
from podyard.apiserver.storage.sqlite_file import FileLock, connect

COMPACT_EVERY = 1_000
"""Compact when the log has this many revisions more than it is to keep."""

_LATEST = "SELECT revision, data FROM log WHERE key = ? ORDER BY revision DESC LIMIT 1"
_LIST = (  # the inner query is answered by the index alone
    "SELECT key, revision, data FROM log WHERE revision IN"
    " (SELECT max(revision) FROM log WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key)"
    " AND data IS NOT NULL ORDER BY key"
)
_COMPACT = (
    "DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision > :last AND revision <= :to)"
    " OR (revision > :last AND revision <= :to AND data IS NULL)"
)


@dataclass(frozen=True, slots=True)
class Write:
    """A put, or a delete when `data` is None, of a key that should be at revision `expected`."""

    key: str
    data: bytes | None
    expected: int


class SqliteLog:
    """Every change is a row; the newest row of a key is what it holds."""

    def __init__(self, path: Path, history: int) -> None:
        """Open the file, or make it. UserError when it is in use, corrupted or newer than we are."""
        self._path = path
        self._history = history
        self._lock = FileLock(path)
        try:
            self._connection = connect(path)
            (self.compacted,) = self._connection.execute("SELECT revision FROM compacted").fetchone()
            (latest,) = self._connection.execute("SELECT max(revision) FROM log").fetchone()
            self.revision: int = max(latest or 0, self.compacted)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the file and let others have it."""
        self._connection.close()
        self._lock.release()

    def get(self, key: str) -> Value | None:
        """What a key holds now."""
        row = self._connection.execute(_LATEST, (key,)).fetchone()
        return Value(key, row[0], row[1]) if row and row[1] is not None else None

    def values(self, prefix: str, revision: int | None) -> tuple[Value, ...]:
        """The keys under a prefix as they are now, or were at `revision`."""
        at = self.revision if revision is None else revision
        if at < self.compacted:
            raise Compacted(self.compacted)
        rows = self._connection.execute(_LIST, (prefix, prefix + "\U0010ffff", at))
        return tuple(Value(key, found, data) for key, found, data in rows)

    def changes(self, after: int) -> tuple[Change, ...]:
        """Everything that happened after a revision."""
        if after < self.compacted:
            raise Compacted(self.compacted)
        rows = self._connection.execute(
            "SELECT revision, key, data FROM log WHERE revision > ? ORDER BY revision", (after,)
        )
        return tuple(Change(revision, key, data) for revision, key, data in rows)

    def commit(self, writes: Sequence[Write]) -> tuple[list[int | Exception], tuple[Change, ...]]:
        """Do all the writes in one transaction; give each one's revision or error, and the changes."""
        before = self.revision, self.compacted
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            changes: list[Change] = []
            results = [self._apply(write, changes) for write in writes]
            self._compact()
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.revision, self.compacted = before
            failed = StorageError(f"{self._path}: {error}")
            return [failed] * len(writes), ()
        return results, tuple(changes)

    def _apply(self, write: Write, changes: list[Change]) -> int | Exception:
        row = self._connection.execute(_LATEST, (write.key,)).fetchone()
        current = row[0] if row and row[1] is not None else 0
        if current != write.expected or (write.data is None and not current):
            return Conflict(write.key, current)
        self.revision += 1
        self._connection.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?)",
            (self.revision, write.key, row[0] if row else 0, write.data),
        )
        changes.append(Change(self.revision, write.key, write.data))
        return self.revision

    def _compact(self) -> None:
        """Drop rows that a newer one has replaced, up to where the history is to begin."""
        to = self.revision - self._history
        if to - self.compacted < min(COMPACT_EVERY, self._history):
            return
        self._connection.execute(_COMPACT, {"last": self.compacted, "to": to})
        self._connection.execute("UPDATE compacted SET revision = ?", (to,))
        self.compacted = to
