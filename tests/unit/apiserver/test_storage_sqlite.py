"""The SQLite engine: the suite of every engine, and what is its own: files, locks, crashes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podyard.apiserver.storage import Storage, StorageError
from podyard.apiserver.storage.sqlite import SqliteStorage
from podyard.apiserver.storage.sqlite_file import SCHEMA_VERSION
from podyard.process.main import UserError
from tests.unit.apiserver.storage_suite import HISTORY, Open, StorageSuite

WRITER = """
import asyncio, sys
from pathlib import Path
from podyard.apiserver.storage.sqlite import SqliteStorage

async def write(storage, worker):
    n = 0
    while True:
        await storage.put(f"w{worker}/{n:06d}", b"x" * 500, 0)
        print(f"w{worker}/{n:06d}", flush=True)
        n += 1

async def main():
    storage = await SqliteStorage.open(Path(sys.argv[1]))
    await asyncio.gather(*(write(storage, worker) for worker in range(8)))

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Storage]:
    storage = await SqliteStorage.open(path, HISTORY)
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apiserver" / "state.db"


class TestSqlite(StorageSuite):
    @pytest.fixture
    def open_engine(self, path: Path) -> Open:
        return lambda: opened(path)


def acknowledged_before_kill_9(path: Path) -> list[str]:
    """The keys that eight writers were told are written, until their process was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        keys = [writer.stdout.readline().strip() for _ in range(400)]
        writer.send_signal(signal.SIGKILL)
        return keys + writer.stdout.read().split("\n")[:-1]


async def test_no_acknowledged_write_is_lost_by_kill_9(path: Path) -> None:
    acknowledged = acknowledged_before_kill_9(path)
    async with opened(path) as storage:
        present = {value.key for value in await storage.list("")}
        assert set(acknowledged) <= present
        assert await storage.put("after", b"x", 0) > len(acknowledged)


async def test_a_second_process_is_kept_off(path: Path) -> None:
    async with opened(path):
        with pytest.raises(
            UserError, match=rf"state\.db is in use by another apiserver \(pid {os.getpid()}\)"
        ):
            await SqliteStorage.open(path)
    async with opened(path) as storage:  # the lock went with the first
        assert await storage.list("") == ()


def corrupt_header(path: Path) -> None:
    path.write_bytes(b"this is not a database at all" * 200)


def corrupt_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE other (x); INSERT INTO other VALUES (1);")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (corrupt_header, "is corrupted"),
        (corrupt_pages, "is corrupted"),
        (truncate, "is corrupted"),
        (newer, f"was written by a newer podyard .schema version {SCHEMA_VERSION + 1}"),
        (foreign, "is a database of another program"),
    ],
)
async def test_a_file_that_is_not_right_is_refused_and_left_alone(
    path: Path, damage: object, message: str
) -> None:
    async with opened(path) as storage:
        for n in range(100):
            await storage.put(f"k{n}", b"x" * 500, 0)
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=message) as caught:
        await SqliteStorage.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


async def test_a_start_that_was_cut_off_before_the_schema_is_made_good(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    async with opened(path) as storage:
        assert await storage.put("a", b"1", 0) == 1


async def test_a_directory_that_cannot_be_made_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the data directory"):
        await SqliteStorage.open(tmp_path / "file" / "apiserver" / "state.db")


async def test_a_write_that_fails_changes_nothing(path: Path) -> None:
    async with opened(path) as storage:
        await storage.put("a", b"1", 0)
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")  # somebody holds the write lock
            assert isinstance(storage, SqliteStorage)
            await storage._call(lambda log: log._connection.execute("PRAGMA busy_timeout = 0"))
            with pytest.raises(StorageError, match="locked"):
                await storage.put("b", b"1", 0)
        assert (await storage.revision())[1] == 1
        assert await storage.put("b", b"1", 0) == 2


async def test_what_waits_when_closing_is_still_written(path: Path) -> None:
    storage = await SqliteStorage.open(path)
    writes = [asyncio.create_task(storage.put(f"k{n}", b"x", 0)) for n in range(50)]
    await asyncio.sleep(0)
    await storage.close()
    assert sorted(await asyncio.gather(*writes)) == list(range(1, 51))
