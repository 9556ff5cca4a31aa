"""Volumes of pods on a real kubelet: made, waited for, kept up to date, taken away."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import CONFIGMAPS, PODS, SECRETS, SERVICEACCOUNTS, Resource
from podyard.client.client import Client
from podyard.kubelet import command
from podyard.kubelet.volumes.object_cache import ObjectCache, Reference
from tests.support.apiserver import running_apiserver
from tests.unit.kubelet.kubelet_harness import (
    Cluster,
    condition,
    container_status,
    phase,
    running_cluster,
    shell,
    waiting,
)
from tests.unit.kubelet.runtime_harness import is_root, until

Object = dict[str, Any]

SLEEP = "exec sleep 1000"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(tmp_path) as cluster:
        yield cluster


def running(pod: Object) -> bool:
    return phase(pod) == "Running" and condition(pod, "Ready") == "True"


def mounting(*volumes: Object, **fields: Any) -> Object:
    """A container that mounts these volumes."""
    mounts = [{"name": volume["name"], "mountPath": f"/mnt/{volume['name']}"} for volume in volumes]
    return shell(SLEEP, volumeMounts=mounts, **fields)


def place(cluster: Cluster, pod: Object, kind: str, name: str) -> Path:
    pods = cluster.data_dir / "kubelet/node1/pods"
    return pods / str(pod["metadata"]["uid"]) / "volumes" / f"kubernetes.io~{kind}" / name


async def secret(cluster: Cluster, name: str, **data: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": "default"}
    return await cluster.client.create(
        SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
    )


async def config_map(cluster: Cluster, name: str, **fields: Any) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return await cluster.client.create(
        CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}
    )


SETTINGS: Object = {"name": "settings", "configMap": {"name": "settings"}}
TLS: Object = {"name": "tls", "secret": {"secretName": "tls"}}


async def test_a_missing_secret_is_waited_for(cluster: Cluster) -> None:
    volumes = [TLS, SETTINGS]
    await cluster.create("waits", mounting(*volumes), volumes=volumes)
    for text in ('"tls" : secret "tls" not found', '"settings" : configmap "settings" not found'):
        await cluster.until_event("FailedMount", f"MountVolume.SetUp failed for volume {text}", "waits")
    assert waiting(await cluster.until("waits", lambda p: p["status"].get("startTime"))) == (
        "ContainerCreating"
    )
    await secret(cluster, "tls", crt="cert")
    await config_map(cluster, "settings", data={"colour": "blue"})
    pod = await cluster.until("waits", running)
    assert (place(cluster, pod, "secret", "tls") / "crt").read_text() == "cert"
    assert (place(cluster, pod, "configmap", "settings") / "colour").read_text() == "blue"
    assert len([e for e in cluster.events.list() if e["reason"] == "FailedMount"]) == 2


async def test_a_missing_key_is_waited_for(cluster: Cluster) -> None:
    volumes = [{"name": "tls", "secret": {"secretName": "tls", "items": [{"key": "z", "path": "z"}]}}]
    await secret(cluster, "tls", crt="cert")
    await cluster.create("waits", mounting(*volumes), volumes=volumes)
    text = 'MountVolume.SetUp failed for volume "tls" : references non-existent secret key: z'
    await cluster.until_event("FailedMount", text)
    await cluster.client.patch(SECRETS, "tls", "default", {"stringData": {"z": "now"}})
    pod = await cluster.until("waits", running)
    assert (place(cluster, pod, "secret", "tls") / "z").read_text() == "now"


async def test_updates_appear(cluster: Cluster) -> None:
    info = {"name": "info", "downwardAPI": {"items": [LABELS]}}
    optional = {"name": "maybe", "secret": {"secretName": "maybe", "optional": True}}
    volumes = [SETTINGS, info, optional]
    await config_map(cluster, "settings", data={"colour": "blue", "size": "1"})
    await cluster.create("follows", mounting(*volumes), volumes=volumes)
    pod = await cluster.until("follows", running)
    settings, maybe = place(cluster, pod, "configmap", "settings"), place(cluster, pod, "secret", "maybe")
    labels = place(cluster, pod, "downward-api", "info") / "labels"
    assert (labels.read_text(), os.listdir(maybe / "..data")) == ("", [])
    patch = {"data": {"colour": "red", "size": None}}
    await cluster.client.patch(CONFIGMAPS, "settings", "default", patch)
    await cluster.client.patch(PODS, "follows", "default", {"metadata": {"labels": {"a": "b"}}})
    await secret(cluster, "maybe", key="there")
    await until(lambda: (settings / "colour").read_text() == "red")
    await until(lambda: labels.read_text() == 'a="b"')
    await until(lambda: (maybe / "key").exists())
    assert not (settings / "size").is_symlink()
    await cluster.client.delete(CONFIGMAPS, "settings", "default")
    await cluster.until_event("FailedMount", 'configmap "settings" not found')
    assert (settings / "colour").read_text() == "red", "a running pod keeps what it has"
    assert container_status(await cluster.until("follows", running))["restartCount"] == 0


LABELS: Object = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}


async def test_host_path_problems_are_looked_at_again(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "later"
    volumes = [{"name": "host", "hostPath": {"path": str(path), "type": "Directory"}}]
    await cluster.create("waits", mounting(*volumes), volumes=volumes)
    text = f'volume "host" : hostPath type check failed: {path} is not a directory'
    await cluster.until_event("FailedMount", f"MountVolume.SetUp failed for {text}")
    path.mkdir()
    await cluster.until("waits", running)


async def test_unsupported_volumes_keep_a_pod_only_if_mounted(cluster: Cluster) -> None:
    volumes = [{"name": "share", "nfs": {"server": "nas", "path": "/"}}]
    await cluster.create("mounts", mounting(*volumes), volumes=volumes)
    await cluster.create("ignores", shell(SLEEP), volumes=volumes)
    text = (
        'MountVolume.SetUp failed for volume "share" : this node cannot mount volumes of type nfs; '
        "it mounts configMap, downwardAPI, emptyDir, hostPath, projected and secret"
    )
    await cluster.until_event("FailedMount", text, "mounts")
    await cluster.until("ignores", running)


async def test_volumes_live_as_long_as_their_pod(cluster: Cluster) -> None:
    memory = {"name": "memory", "emptyDir": {"medium": "Memory"}}
    volumes = [{"name": "data", "emptyDir": {}}, memory, SETTINGS]
    await config_map(cluster, "settings", data={"colour": "blue"})
    await cluster.create("lives", mounting(*volumes), volumes=volumes)
    pod = await cluster.until("lives", running)
    data, in_memory = (place(cluster, pod, "empty-dir", name) for name in ("data", "memory"))
    settings = place(cluster, pod, "configmap", "settings")
    assert in_memory.is_mount() or not is_root()
    for directory in (data, in_memory):
        (directory / "kept").write_text("kept")
    version = os.readlink(settings / "..data")
    await cluster.stop_kubelet()
    await cluster.start_kubelet()
    await cluster.create("next", mounting(SETTINGS), volumes=[SETTINGS])
    await cluster.until("next", running)
    assert [(directory / "kept").read_text() for directory in (data, in_memory)] == ["kept", "kept"]
    assert os.readlink(settings / "..data") == version, "nothing is rewritten that has not changed"
    await cluster.client.patch(CONFIGMAPS, "settings", "default", {"data": {"colour": "red"}})
    await until(lambda: (settings / "colour").read_text() == "red")
    await cluster.client.delete(PODS, "lives", "default")
    await cluster.until_gone("lives")
    assert not settings.parents[2].exists()
    assert str(in_memory) not in Path("/proc/self/mounts").read_text()


async def test_a_pod_that_ends_by_itself_gives_its_volumes_back(cluster: Cluster) -> None:
    volumes = [{"name": "data", "emptyDir": {}}]
    container = {**mounting(*volumes), "command": ["true"]}
    await cluster.create("ends", container, volumes=volumes, restartPolicy="Never")
    pod = await cluster.until("ends", lambda pod: phase(pod) == "Succeeded")
    assert not place(cluster, pod, "empty-dir", "data").exists()


async def test_what_was_deleted_without_a_kubelet_is_cleared_away(cluster: Cluster) -> None:
    volumes = [{"name": "memory", "emptyDir": {"medium": "Memory"}}]
    await cluster.create("gone", mounting(*volumes), volumes=volumes)
    await cluster.create("stays", mounting(*volumes), volumes=volumes)
    gone, stays = [await cluster.until(name, running) for name in ("gone", "stays")]
    await cluster.stop_kubelet()
    await cluster.client.delete(PODS, "gone", "default", grace_period_seconds=0)
    await cluster.start_kubelet()
    await until(lambda: not place(cluster, gone, "empty-dir", "memory").parents[2].exists())
    assert place(cluster, stays, "empty-dir", "memory").is_mount() or not is_root()
    await cluster.stop_kubelet()
    await command.stop_all_pods(cluster.data_dir)
    assert str(cluster.data_dir) not in Path("/proc/self/mounts").read_text()
    await cluster.start_kubelet()
    await cluster.until("stays", lambda p: running(p) and container_status(p)["restartCount"] == 1)
    assert place(cluster, stays, "empty-dir", "memory").is_mount() or not is_root()


async def test_a_projected_token(cluster: Cluster) -> None:
    metadata = {"name": "builder", "namespace": "default"}
    await cluster.client.create(
        SERVICEACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    )
    token = {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}
    volumes = [{"name": "identity", "projected": {"sources": [token, {"downwardAPI": {"items": [LABELS]}}]}}]
    await cluster.create("known", mounting(*volumes), volumes=volumes, serviceAccountName="builder")
    pod = await cluster.until("known", running)
    directory = place(cluster, pod, "projected", "identity")
    assert (directory / "token").read_text().count(".") == 2
    assert (directory / "labels").exists()


async def test_objects_are_watched_while_they_are_used(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path) as server:
        client = Client(server.target, server.tls)
        cache = ObjectCache(client)
        try:
            await _use_objects(client, cache)
        finally:
            await client.close()


async def _use_objects(client: Client, cache: ObjectCache) -> None:
    calls: list[str] = []

    def refer(name: str, resource: Resource = CONFIGMAPS) -> Reference:
        return cache.acquire(resource, "default", name, lambda: calls.append(name))

    async def make(name: str, **fields: Any) -> None:
        metadata = {"name": name, "namespace": "default"}
        await client.create(
            CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}
        )

    await make("fixed", immutable=True, data={"a": "1"})
    first, second, other, fixed = refer("moving"), refer("moving"), refer("moving", SECRETS), refer("fixed")
    assert not first.known
    await until(lambda: all(reference.known for reference in (first, second, other, fixed)))
    assert (first.object, other.object, cache.watched()) == (None, None, 2)
    assert fixed.object is not None and fixed.object["data"] == {"a": "1"}
    calls.clear()
    await make("unrelated")
    await make("moving", data={"a": "1"})
    await until(lambda: first.object is not None)
    assert calls == ["moving", "moving"], "both users of the ConfigMap, not the one of the Secret"
    first.release()
    assert cache.watched() == 2
    second.release()
    other.release()
    assert cache.watched() == 0
    await client.delete(CONFIGMAPS, "fixed", "default")
    await make("fixed", data={"a": "2"})
    assert fixed.object["data"] == {"a": "1"}, "nobody watches what cannot change"
    fresh = refer("fixed")
    await until(lambda: fresh.known)
    assert (fresh.object or {})["data"] == {"a": "2"}
    fresh.release()
    fixed.release()
    assert cache.watched() == 0


async def test_an_fs_group_that_cannot_be_given_is_no_hindrance(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, user: int, group: int) -> None:
        raise OSError(22, "Invalid argument", path)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", refuse)
    volumes = [{"name": "data", "emptyDir": {}}, SETTINGS]
    await config_map(cluster, "settings", data={"colour": "blue"})
    await cluster.create("grouped", mounting(*volumes), volumes=volumes, securityContext={"fsGroup": 2000})
    pod = await cluster.until("grouped", running)
    assert (place(cluster, pod, "configmap", "settings") / "colour").read_text() == "blue"
