"""LIST and WATCH: selections, pages, versions, slow readers, restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import CONFIGMAPS, EVENTS, NODES, PODS, find
from podyard.apiserver.cacher.selection import Selection
from podyard.apiserver.cacher.watcher import Watcher
from podyard.apiserver.registry import Event, Watch
from tests.unit.apiserver.registry_harness import Cluster, cluster_in, config_map, pod, take


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_in(tmp_path, history=100) as cluster:
        yield cluster


async def version(cluster: Cluster) -> str:
    return str((await cluster.registry.list(CONFIGMAPS, "")).resource_version)


async def test_an_object_that_enters_or_leaves_the_selection_is_added_or_deleted(cluster: Cluster) -> None:
    watch = cluster.registry.watch(
        CONFIGMAPS, "default", label_selector="app=web", resource_version=await version(cluster)
    )
    await cluster.create(CONFIGMAPS, config_map("a", labels={"app": "db"}))
    await cluster.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"app": "web"}}})
    await cluster.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    left = await cluster.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"app": "db"}}})
    await cluster.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"app": "web"}}})
    await cluster.delete(CONFIGMAPS, "a")
    events = []
    for _ in range(5):
        events.append(await watch.__anext__())
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    gone = orjson.loads(events[2].data)["metadata"]
    assert gone["labels"] == {"app": "web"}, "it is shown as it was when it was selected"
    assert gone["resourceVersion"] == left["metadata"]["resourceVersion"], "at the new version"


async def test_the_bytes_of_an_event_are_shared(cluster: Cluster) -> None:
    watches = [cluster.registry.watch(CONFIGMAPS, "", resource_version="1") for _ in range(2)]
    await cluster.create(CONFIGMAPS, config_map("a"))
    await cluster.delete(CONFIGMAPS, "a")
    for _ in range(2):
        one, other = [await watch.__anext__() for watch in watches]
        assert one.data is other.data
    stored = await cluster.registry.create(CONFIGMAPS, "default", config_map("b"), cluster.options())
    assert (await watches[0].__anext__()).data == stored.data


@pytest.mark.parametrize("start", ["", "0"])
async def test_a_watch_from_nowhere_begins_with_what_is_there(cluster: Cluster, start: str) -> None:
    await cluster.create(CONFIGMAPS, config_map("a"))
    await cluster.create(CONFIGMAPS, config_map("b"))
    watch = cluster.registry.watch(CONFIGMAPS, "", resource_version=start)
    await cluster.create(CONFIGMAPS, config_map("c"))
    assert await take(watch, 3) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


async def test_initial_events_end_with_an_annotated_bookmark(cluster: Cluster) -> None:
    await cluster.create(CONFIGMAPS, config_map("a"))
    watch = cluster.registry.watch(CONFIGMAPS, "", send_initial_events=True)
    assert (await watch.__anext__()).type == "ADDED"
    bookmark = await watch.__anext__()
    assert bookmark.type == "BOOKMARK"
    obj = orjson.loads(bookmark.data)
    assert (obj["kind"], obj["apiVersion"]) == ("ConfigMap", "v1")
    assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert obj["metadata"]["resourceVersion"] == await version(cluster)


async def test_a_version_that_is_too_old_or_to_come(cluster: Cluster) -> None:
    for n in range(150):
        await cluster.create(CONFIGMAPS, config_map(f"c{n}"))
    with pytest.raises(StatusError, match="too old resource version: 1 ") as caught:
        cluster.registry.watch(CONFIGMAPS, "", resource_version="1")
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    with pytest.raises(StatusError, match="Too large resource version: 9999, current: ") as caught:
        cluster.registry.watch(CONFIGMAPS, "", resource_version="9999")
    assert caught.value.code == 504
    with pytest.raises(StatusError, match="invalid syntax") as caught:
        cluster.registry.watch(CONFIGMAPS, "", resource_version="x")
    assert caught.value.code == 400


async def test_a_watch_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with cluster_in(tmp_path) as cluster:
        await cluster.create(CONFIGMAPS, config_map("a"))
        seen = await version(cluster)
        await cluster.create(CONFIGMAPS, config_map("b"))
        await cluster.delete(CONFIGMAPS, "a")
    async with cluster_in(tmp_path) as cluster:
        assert await cluster.names(CONFIGMAPS) == ["b"]
        watch = cluster.registry.watch(CONFIGMAPS, "", resource_version=seen)
        await cluster.create(CONFIGMAPS, config_map("c"))
        assert await take(watch, 3) == [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def watcher(first: list[Event], **how: float) -> Watcher:
    return Watcher(
        Selection(),
        first,
        make_bookmark=lambda: Event("BOOKMARK", 7, b"{}"),
        timeout_seconds=how.pop("timeout_seconds", None),
        forget=lambda _: None,
        **how,  # type: ignore[arg-type]
    )


async def test_a_reader_that_is_too_slow_is_cut_off_after_what_waits(cluster: Cluster) -> None:
    slow = cluster.registry.watch(CONFIGMAPS, "", resource_version=await version(cluster))
    quick = cluster.registry.watch(CONFIGMAPS, "", resource_version=await version(cluster))
    for n in range(1200):
        await cluster.create(CONFIGMAPS, config_map(f"c{n}"))
        assert (await take(quick, 1)) == [("ADDED", f"c{n}")]
    got = [event async for event in slow]
    assert len(got) == 1000
    assert orjson.loads(got[-1].data)["metadata"]["name"] == "c999"


async def test_bookmarks_come_while_nothing_happens() -> None:
    quiet = watcher([], bookmark_seconds=0.01)
    assert [(await quiet.__anext__()).type for _ in range(2)] == ["BOOKMARK", "BOOKMARK"]
    await quiet.aclose()


async def test_a_watch_ends_at_its_timeout_with_a_bookmark() -> None:
    limited = watcher([Event("ADDED", 1, b"{}")], timeout_seconds=0.01)
    assert [event.type async for event in limited] == ["ADDED", "BOOKMARK"]


async def test_closing_ends_a_waiting_reader(cluster: Cluster) -> None:
    watch = cluster.registry.watch(CONFIGMAPS, "", resource_version=await version(cluster))

    async def read(watch: Watch) -> list[Event]:
        return [event async for event in watch]

    reading = asyncio.create_task(read(watch))
    await asyncio.sleep(0)
    await watch.aclose()
    assert await asyncio.wait_for(reading, 20) == []


async def test_selectors_of_lists(cluster: Cluster) -> None:
    await cluster.create(CONFIGMAPS, config_map("a", labels={"app": "web", "tier": "front"}))
    await cluster.create(CONFIGMAPS, config_map("b", labels={"app": "db"}))
    await cluster.create(PODS, pod("p", node="node1"))
    await cluster.create(PODS, pod("q"))
    assert await cluster.names(CONFIGMAPS, label_selector="app in (web, db),!tier") == ["b"]
    assert await cluster.names(CONFIGMAPS, field_selector="metadata.name!=a") == ["b"]
    assert await cluster.names(CONFIGMAPS, field_selector="metadata.namespace=default") == ["a", "b"]
    assert await cluster.names(PODS, field_selector="spec.nodeName=node1") == ["p"]
    assert await cluster.names(PODS, field_selector="spec.nodeName=,status.phase=Pending") == ["q"]
    assert await cluster.names(PODS, field_selector="spec.hostNetwork=false") == ["p", "q"]
    await cluster.create(NODES, {"kind": "Node", "metadata": {"name": "n"}})
    assert await cluster.names(NODES, field_selector="spec.unschedulable=false") == ["n"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"field_selector": "spec.foo=bar"}, "field label not supported: spec.foo"),
        ({"field_selector": "x"}, "invalid selector: 'x'; can't understand 'x'"),
        ({"label_selector": "a=="}, None),
        ({"label_selector": "a in b"}, "unable to parse requirement: found 'b' expected: '('"),
    ],
)
async def test_bad_selectors(cluster: Cluster, where: dict[str, str], message: str | None) -> None:
    if message is None:
        await cluster.names(CONFIGMAPS, **where)
        return
    with pytest.raises(StatusError) as caught:
        await cluster.names(CONFIGMAPS, **where)
    assert (caught.value.code, caught.value.message) == (400, message)


async def test_pages_show_one_moment(cluster: Cluster) -> None:
    for n in range(7):
        await cluster.create(CONFIGMAPS, config_map(f"c{n}"))
    first = await cluster.registry.list(CONFIGMAPS, "", limit=3)
    assert [item.name for item in first.items] == ["c0", "c1", "c2"]
    assert first.remaining == 4
    await cluster.delete(CONFIGMAPS, "c4")
    await cluster.create(CONFIGMAPS, config_map("c33"))
    await cluster.patch(CONFIGMAPS, "c5", {"data": {"a": "b"}})
    second = await cluster.registry.list(CONFIGMAPS, "", limit=3, continue_token=first.continue_token)
    assert [item.name for item in second.items] == ["c3", "c4", "c5"]
    assert "data" not in second.items[2].decode()
    assert (second.resource_version, second.remaining) == (first.resource_version, 1)
    last = await cluster.registry.list(CONFIGMAPS, "", limit=3, continue_token=second.continue_token)
    assert ([item.name for item in last.items], last.continue_token) == (["c6"], "")


async def test_a_page_without_a_size_is_the_whole_list(cluster: Cluster) -> None:
    """As `kubectl get --chunk-size=-1` asks for."""
    for n in range(3):
        await cluster.create(CONFIGMAPS, config_map(f"c{n}"))
    listed = await cluster.registry.list(CONFIGMAPS, "", limit=-1)
    assert ([item.name for item in listed.items], listed.continue_token) == (["c0", "c1", "c2"], "")


async def test_pages_with_a_selector_do_not_count_the_rest(cluster: Cluster) -> None:
    for n in range(4):
        await cluster.create(CONFIGMAPS, config_map(f"c{n}", labels={"even": str(n % 2 == 0).lower()}))
    first = await cluster.registry.list(CONFIGMAPS, "", label_selector="even=true", limit=1)
    assert ([i.name for i in first.items], first.remaining) == (["c0"], None)
    rest = await cluster.registry.list(
        CONFIGMAPS, "", label_selector="even=true", limit=1, continue_token=first.continue_token
    )
    assert ([i.name for i in rest.items], rest.continue_token) == (["c2"], "")


async def test_an_old_token_is_refused_with_one_that_goes_on_anyhow(cluster: Cluster) -> None:
    for n in range(3):
        await cluster.create(CONFIGMAPS, config_map(f"c{n}"))
    first = await cluster.registry.list(CONFIGMAPS, "", limit=1)
    for n in range(150):
        await cluster.patch(CONFIGMAPS, "c0", {"data": {"n": str(n)}})
    with pytest.raises(StatusError, match="too old to display a consistent list") as caught:
        await cluster.registry.list(CONFIGMAPS, "", limit=1, continue_token=first.continue_token)
    assert caught.value.code == 410
    token = caught.value.status["metadata"]["continue"]
    rest = await cluster.registry.list(CONFIGMAPS, "", continue_token=token)
    assert [item.name for item in rest.items] == ["c1", "c2"]


async def test_lists_at_versions(cluster: Cluster) -> None:
    await cluster.create(CONFIGMAPS, config_map("a"))
    old = await version(cluster)
    await cluster.create(CONFIGMAPS, config_map("b"))
    exact = {"resource_version": old, "resource_version_match": "Exact"}
    assert await cluster.names(CONFIGMAPS, **exact) == ["a"]
    assert await cluster.names(CONFIGMAPS, resource_version=old) == ["a", "b"]
    assert await cluster.names(CONFIGMAPS, resource_version="0") == ["a", "b"]
    newer = {"resource_version": old, "resource_version_match": "NotOlderThan"}
    assert await cluster.names(CONFIGMAPS, **newer) == ["a", "b"]
    for n in range(150):
        await cluster.patch(CONFIGMAPS, "a", {"data": {"n": str(n)}})
    with pytest.raises(StatusError) as caught:
        await cluster.names(CONFIGMAPS, **exact)
    assert caught.value.code == 410


@pytest.mark.parametrize(
    "where",
    [
        {"resource_version_match": "Exact"},
        {"resource_version_match": "Exact", "resource_version": "0"},
        {"resource_version_match": "Sometimes", "resource_version": "1"},
        {"continue_token": "nonsense"},
        {"resource_version": "-1"},
    ],
)
async def test_bad_versions(cluster: Cluster, where: dict[str, str]) -> None:
    with pytest.raises(StatusError) as caught:
        await cluster.names(CONFIGMAPS, **where)
    assert caught.value.code == 400


async def test_events_are_served_in_both_versions(cluster: Cluster) -> None:
    new = find("events.k8s.io", "v1", "events")
    assert new
    watch = cluster.registry.watch(new, "default")
    await cluster.create(
        EVENTS,
        {
            "metadata": {"name": "e", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
            "reason": "Started",
            "message": "it has",
            "type": "Normal",
        },
    )
    event = orjson.loads((await watch.__anext__()).data)
    assert (event["apiVersion"], event["note"], event["regarding"]["name"]) == (
        "events.k8s.io/v1",
        "it has",
        "p",
    )
    assert await cluster.get(new, "e") == event
    assert await cluster.names(new, field_selector="regarding.name=p") == ["e"]
    assert await cluster.names(EVENTS, field_selector="involvedObject.name=other") == []


async def test_aclosing_takes_the_watcher_out(cluster: Cluster) -> None:
    async with contextlib.aclosing(cluster.registry.watch(CONFIGMAPS, "")) as watch:
        await cluster.create(CONFIGMAPS, config_map("a"))
        assert await take(watch, 1) == [("ADDED", "a")]
    await cluster.create(CONFIGMAPS, config_map("b"))
    assert [event async for event in watch] == []
