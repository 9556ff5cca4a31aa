"""What every storage engine must do. An engine's test module derives a class and gives `engine`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from podyard.apiserver.storage import Change, Compacted, Conflict, Storage, StorageError

HISTORY = 20
"""How many revisions the engine under test is to keep, at least."""

Open = Callable[[], contextlib.AbstractAsyncContextManager[Storage]]


async def collect(storage: Storage, after: int, count: int) -> list[Change]:
    """The next `count` changes after a revision."""
    found: list[Change] = []
    async with contextlib.aclosing(storage.watch(after)) as batches:
        async for batch in batches:
            found += batch
            if len(found) >= count:
                break
    return found


class StorageSuite:
    """The contract of `podyard.apiserver.storage`, line by line."""

    @pytest.fixture
    def open_engine(self) -> Open:
        """A way to open the same stored data again and again, with a history of HISTORY."""
        raise NotImplementedError

    @pytest.fixture
    async def storage(self, open_engine: Open) -> AsyncIterator[Storage]:
        """A new, empty storage."""
        async with open_engine() as storage:
            yield storage

    async def test_a_key_holds_what_was_put(self, storage: Storage) -> None:
        revision = await storage.put("pods/a/x", b"one", 0)
        value = await storage.get("pods/a/x")
        assert value and (value.key, value.revision, value.data) == ("pods/a/x", revision, b"one")
        assert await storage.get("pods/a") is None
        assert await storage.get("pods/a/xx") is None

    async def test_the_revision_rises_over_all_keys(self, storage: Storage) -> None:
        first = await storage.put("a", b"1", 0)
        second = await storage.put("b", b"1", 0)
        third = await storage.put("a", b"2", first)
        fourth = await storage.delete("b", second)
        assert first < second < third < fourth
        assert (await storage.revision())[1] == fourth

    @pytest.mark.parametrize("expected", [0, 7])
    async def test_a_put_at_another_revision_is_refused(self, storage: Storage, expected: int) -> None:
        revision = await storage.put("a", b"1", 0)
        with pytest.raises(Conflict) as caught:
            await storage.put("a", b"2", expected)
        assert caught.value.revision == revision
        value = await storage.get("a")
        assert value and value.data == b"1"

    async def test_what_is_absent_cannot_be_changed_or_deleted(self, storage: Storage) -> None:
        with pytest.raises(Conflict) as caught:
            await storage.put("a", b"1", 3)
        assert caught.value.revision == 0
        for expected in (0, 3):
            with pytest.raises(Conflict):
                await storage.delete("a", expected)
        assert (await storage.revision())[1] == 0

    async def test_a_deleted_key_is_absent_and_can_come_back(self, storage: Storage) -> None:
        revision = await storage.put("a", b"1", 0)
        await storage.delete("a", revision)
        assert await storage.get("a") is None
        assert await storage.list("") == ()
        again = await storage.put("a", b"2", 0)
        value = await storage.get("a")
        assert value and value.revision == again

    async def test_list_gives_a_prefix_in_order(self, storage: Storage) -> None:
        for key in ("pods/b/x", "pods/a/é", "pods/a/z", "podsx/a/y", "nodes//n"):
            await storage.put(key, key.encode(), 0)
        values = await storage.list("pods/")
        assert [value.key for value in values] == ["pods/a/z", "pods/a/é", "pods/b/x"]
        assert [value.data.decode() for value in values] == [value.key for value in values]
        assert len(await storage.list("")) == 5

    async def test_list_looks_back(self, storage: Storage) -> None:
        first = await storage.put("a", b"1", 0)
        second = await storage.put("b", b"1", 0)
        third = await storage.put("a", b"2", first)
        await storage.delete("b", second)
        assert await storage.list("", 0) == ()
        assert [(v.key, v.data) for v in await storage.list("", second)] == [("a", b"1"), ("b", b"1")]
        assert [(v.key, v.data) for v in await storage.list("", third)] == [("a", b"2"), ("b", b"1")]
        assert [(v.key, v.data) for v in await storage.list("")] == [("a", b"2")]

    async def test_writers_at_once_are_all_stored_and_only_one_wins_a_key(self, storage: Storage) -> None:
        results = await asyncio.gather(
            *(storage.put(f"k{n % 10}", b"%d" % n, 0) for n in range(100)), return_exceptions=True
        )
        won = [result for result in results if isinstance(result, int)]
        assert sorted(won) == list(range(1, 11))
        assert sum(isinstance(result, Conflict) for result in results) == 90

    async def test_a_watcher_sees_every_change_once_in_order(self, storage: Storage) -> None:
        first = await storage.put("a", b"1", 0)
        watching = asyncio.create_task(collect(storage, 0, 103))
        second = await storage.put("a", b"2", first)
        await storage.delete("a", second)
        await asyncio.gather(*(storage.put(f"k{n}", b"x", 0) for n in range(100)))
        changes = await watching
        assert [change.revision for change in changes] == list(range(1, 104))
        assert changes[:3] == [Change(1, "a", b"1"), Change(2, "a", b"2"), Change(3, "a", None)]

    async def test_a_watcher_begins_after_its_revision(self, storage: Storage) -> None:
        for n in range(3):
            await storage.put(f"k{n}", b"x", 0)
        assert [change.key for change in await collect(storage, 1, 2)] == ["k1", "k2"]

    async def test_old_revisions_are_let_go_but_not_the_objects(self, storage: Storage) -> None:
        kept = await storage.put("kept", b"x", 0)
        revision = await storage.put("a", b"0", 0)
        for n in range(1, 200):
            revision = await storage.put("a", b"%d" % n, revision)
        oldest, latest = await storage.revision()
        assert latest == revision
        assert kept < oldest <= latest - HISTORY
        with pytest.raises(Compacted) as caught:
            await collect(storage, oldest - 1, 1)
        assert caught.value.oldest == oldest
        with pytest.raises(Compacted):
            await storage.list("", oldest - 1)
        assert [v.key for v in await storage.list("", oldest)] == ["a", "kept"]
        assert len(await collect(storage, oldest, latest - oldest)) == latest - oldest
        value = await storage.get("kept")
        assert value and value.revision == kept

    async def test_all_is_there_after_opening_again(self, open_engine: Open) -> None:
        async with open_engine() as storage:
            first = await storage.put("a", b"1", 0)
            await storage.put("b", b"1", 0)
            await storage.delete("a", first)
        async with open_engine() as storage:
            assert (await storage.revision())[1] == 3
            assert [value.key for value in await storage.list("")] == ["b"]
            assert [change.revision for change in await collect(storage, 1, 2)] == [2, 3]
            assert await storage.put("c", b"1", 0) == 4

    async def test_a_closed_storage_refuses(self, open_engine: Open) -> None:
        async with open_engine() as storage:
            pass
        with pytest.raises(StorageError):
            await storage.put("a", b"1", 0)
