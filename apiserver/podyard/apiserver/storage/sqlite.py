"""The embedded storage engine: one SQLite file, one thread that writes.

Writes that wait while the thread commits are committed together in the next transaction, so
that many writers share one flush to disk.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from podyard.apiserver.storage import Change, Compacted, StorageError, Value
from podyard.apiserver.storage.sqlite_log import SqliteLog, Write
from podyard.process.main import UserError

T = TypeVar("T")

HISTORY = 10_000
"""How many revisions are kept for watchers that go on from an old one."""

MAX_BATCH = 512


@dataclass(slots=True)
class _Job:
    """A write, or else a function to call in the thread."""

    work: Write | Callable[[SqliteLog], Any]
    done: asyncio.Future[Any]


class SqliteStorage:
    """See `podyard.apiserver.storage` for the contract. Make one with `open`."""

    def __init__(self, path: Path, history: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._watchers: set[asyncio.Queue[tuple[Change, ...]]] = set()
        self._thread = threading.Thread(target=self._run, args=(path, history), name="sqlite", daemon=True)

    @classmethod
    async def open(cls, path: Path, history: int = HISTORY) -> SqliteStorage:
        """Open the file, or make it. UserError when it is in use, corrupted or newer than we are."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(f"cannot make the data directory {path.parent}: {error.strerror}") from None
        storage = cls(path, history)
        storage._thread.start()
        await storage._opened
        return storage

    async def close(self) -> None:
        """Finish what waits and let go of the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    async def revision(self) -> tuple[int, int]:
        """The oldest usable revision and the latest."""
        return await self._call(lambda log: (log.compacted, log.revision))

    async def get(self, key: str) -> Value | None:
        """What a key holds now."""
        return await self._call(lambda log: log.get(key))

    async def list(self, prefix: str, revision: int | None = None) -> tuple[Value, ...]:
        """The keys under a prefix, now or at a revision."""
        return await self._call(lambda log: log.values(prefix, revision))

    async def put(self, key: str, data: bytes, expected: int) -> int:
        """Set a key."""
        revision: int = await self._submit(Write(key, data, expected))
        return revision

    async def delete(self, key: str, expected: int) -> int:
        """Remove a key."""
        revision: int = await self._submit(Write(key, None, expected))
        return revision

    async def watch(self, after: int) -> AsyncGenerator[tuple[Change, ...], None]:
        """Follow changes: first from the log, then as they are committed."""
        changes: asyncio.Queue[tuple[Change, ...]] = asyncio.Queue()
        self._watchers.add(changes)
        try:
            past = await self._call(lambda log: log.changes(after))
            if past:
                yield past
                after = past[-1].revision
            while True:
                batch = await changes.get()
                if batch[0].revision <= after:  # some were in the log already
                    batch = tuple(change for change in batch if change.revision > after)
                if batch:
                    yield batch
        finally:
            self._watchers.discard(changes)

    async def _call(self, function: Callable[[SqliteLog], T]) -> T:
        result: T = await self._submit(function)
        return result

    async def _submit(self, work: Write | Callable[[SqliteLog], Any]) -> Any:
        if self._closed:
            raise StorageError("the storage is closed")
        done: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(_Job(work, done))
        return await done

    def _deliver(
        self, futures: tuple[asyncio.Future[Any], ...], results: Any, changes: tuple[Change, ...]
    ) -> None:
        if changes:
            for watcher in self._watchers:
                watcher.put_nowait(changes)
        for future, result in zip(futures, results, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    # From here on: in the thread.

    def _run(self, path: Path, history: int) -> None:
        try:
            log = SqliteLog(path, history)
        except (UserError, OSError) as error:
            self._answer((self._opened,), [error])
            return
        except sqlite3.Error as error:
            self._answer((self._opened,), [UserError(f"cannot read the storage file {path}: {error}")])
            return
        self._answer((self._opened,), [None])
        try:
            while self._turn(log):
                pass
        finally:
            log.close()

    def _turn(self, log: SqliteLog) -> bool:
        """Do what waits: writes up to the next call, then the call. False when told to stop."""
        writes: list[Write] = []
        futures: list[asyncio.Future[Any]] = []
        job = self._jobs.get()
        while job and isinstance(job.work, Write):
            writes.append(job.work)
            futures.append(job.done)
            if len(writes) == MAX_BATCH or self._jobs.empty():
                break
            job = self._jobs.get()
        if writes:
            self._answer(tuple(futures), *log.commit(writes))
        if job and not isinstance(job.work, Write):
            self._answer((job.done,), [_guarded(job.work, log)])
        return job is not None

    def _answer(
        self, futures: tuple[asyncio.Future[Any], ...], results: Any, changes: tuple[Change, ...] = ()
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, futures, results, changes)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


def _guarded(function: Callable[[SqliteLog], Any], log: SqliteLog) -> Any:
    try:
        return function(log)
    except Compacted as error:
        return error
    except sqlite3.Error as error:
        return StorageError(str(error))
