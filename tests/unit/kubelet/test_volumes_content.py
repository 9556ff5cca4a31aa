"""What is to stand in a volume: tables."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from podyard.kubelet.volumes import (
    ContentError,
    File,
    Inputs,
    Needs,
    TokenSpec,
    VolumeError,
    config_map,
    downward_api,
    projected,
    secret,
)
from podyard.kubelet.volumes.kinds import kind_of, used_volumes, volume_path
from tests.unit.kubelet.pods import container, pod

Object = dict[str, Any]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


TOKEN = TokenSpec("", 3607)
VAULT_TOKEN = TokenSpec("vault", 600)
LIMITS: Object = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}
POD = pod(
    container("web", resources=LIMITS),
    labels={"zone": "eu", "app": 'we"b'},
    annotations={"note": "a\nb\x01é"},
)
INPUTS = Inputs(
    pod=POD,
    secrets={"tls": {"data": {"nginx.crt": encoded("cert"), "nginx.key": encoded("key")}}, "empty": {}},
    config_maps={"settings": {"data": {"a.conf": "a"}, "binaryData": {"b.bin": encoded("\0b")}}},
    tokens={TOKEN: "token", VAULT_TOKEN: "for vault"},
    allocatable={"cpu": "2", "memory": "1Gi"},
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"secretName": "tls"},
            {"nginx.crt": File(b"cert", 0o644), "nginx.key": File(b"key", 0o644)},
        ),
        (
            {
                "secretName": "tls",
                "defaultMode": 0o400,
                "items": [
                    {"key": "nginx.key", "path": "private/key", "mode": 0o600},
                    {"key": "nginx.crt", "path": "c"},
                ],
            },
            {"private/key": File(b"key", 0o600), "c": File(b"cert", 0o400)},
        ),
        (
            {"secretName": "tls", "defaultMode": 0},
            {"nginx.crt": File(b"cert", 0), "nginx.key": File(b"key", 0)},
        ),
        ({"secretName": "empty"}, {}),
        ({"secretName": "none", "optional": True}, {}),
        ({"secretName": "none", "optional": True, "items": [{"key": "a", "path": "a"}]}, {}),
        (
            {"secretName": "tls", "optional": True, "items": [{"key": "z", "path": "z"}]},
            {},
        ),
        ({"secretName": "none"}, 'secret "none" not found'),
        (
            {"secretName": "tls", "items": [{"key": "z", "path": "a"}]},
            "references non-existent secret key: z",
        ),
    ],
)
def test_secret(source: Object, expected: Object | str) -> None:
    assert result(secret, source) == expected
    assert secret.needs(source) == Needs(secrets=frozenset({source["secretName"]}))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"name": "settings"}, {"a.conf": File(b"a", 0o644), "b.bin": File(b"\0b", 0o644)}),
        (
            {"name": "settings", "defaultMode": 0o600, "items": [{"key": "b.bin", "path": "x/y/b"}]},
            {"x/y/b": File(b"\0b", 0o600)},
        ),
        ({"name": "none", "optional": True}, {}),
        ({"name": "none"}, 'configmap "none" not found'),
        (
            {"name": "settings", "items": [{"key": "z", "path": "z"}]},
            "configmap references non-existent config key: z",
        ),
    ],
)
def test_config_map(source: Object, expected: Object | str) -> None:
    assert result(config_map, source) == expected
    assert config_map.needs(source) == Needs(config_maps=frozenset({source["name"]}))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "p"),
        ({"fieldRef": {"fieldPath": "metadata.namespace"}}, "default"),
        ({"fieldRef": {"fieldPath": "metadata.uid"}}, POD["metadata"]["uid"]),
        ({"fieldRef": {"fieldPath": "metadata.labels"}}, 'app="we\\"b"\nzone="eu"'),
        ({"fieldRef": {"fieldPath": "metadata.annotations"}}, 'note="a\\nb\\x01é"'),
        ({"fieldRef": {"fieldPath": "metadata.labels['zone']"}}, "eu"),
        ({"fieldRef": {"fieldPath": "metadata.annotations['none']"}}, ""),
        ({"resourceFieldRef": {"containerName": "web", "resource": "limits.memory"}}, "67108864"),
        (
            {"resourceFieldRef": {"containerName": "web", "resource": "limits.memory", "divisor": "1Mi"}},
            "64",
        ),
        ({"resourceFieldRef": {"containerName": "web", "resource": "limits.cpu", "divisor": "0"}}, "2"),
        (
            {"resourceFieldRef": {"containerName": "web", "resource": "requests.cpu", "divisor": "1m"}},
            "250",
        ),
    ],
)
def test_downward_api(item: Object, expected: str) -> None:
    source = {"items": [{"path": "x/it", "mode": 0o400, **item}, {"path": "plain", **item}]}
    found = result(downward_api, source)
    assert found == {"x/it": File(expected.encode(), 0o400), "plain": File(expected.encode(), 0o644)}


def test_downward_api_errors() -> None:
    source = {"items": [{"path": "x", "fieldRef": {"fieldPath": "spec.color"}}]}
    assert result(downward_api, source) == "unsupported fieldPath: spec.color"
    absent = {"resourceFieldRef": {"containerName": "none", "resource": "limits.cpu"}}
    assert result(downward_api, {"items": [{"path": "x", **absent}]}) == "container none not found"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("plain", '"plain"'), ('a"\\\t', '"a\\"\\\\\\t"'), ("\u200b", '"\\u200b"'), ("é", '"é"')],
)
def test_quoting_as_go_does(text: str, quoted: str) -> None:
    assert downward_api.quote(text) == quoted


API_ACCESS: Object = {
    "defaultMode": 0o644,
    "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "settings", "items": [{"key": "a.conf", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        {"secret": {"name": "tls", "items": [{"key": "nginx.key", "path": "k", "mode": 0o400}]}},
        {"serviceAccountToken": {"path": "v", "audience": "vault", "expirationSeconds": 600}},
    ],
}


def test_projected() -> None:
    assert result(projected, API_ACCESS) == {
        "token": File(b"token", 0o644),
        "ca.crt": File(b"a", 0o644),
        "ns": File(b"default", 0o644),
        "k": File(b"key", 0o400),
        "v": File(b"for vault", 0o644),
    }
    assert projected.needs(API_ACCESS) == Needs(
        secrets=frozenset({"tls"}),
        config_maps=frozenset({"settings"}),
        tokens=frozenset({TOKEN, VAULT_TOKEN}),
    )


def test_projected_with_an_fs_group_keeps_tokens_to_the_group() -> None:
    with_group = {**POD, "spec": {**POD["spec"], "securityContext": {"fsGroup": 1000}}}
    found = projected.files(API_ACCESS, Inputs(**{**fields(INPUTS), "pod": with_group}))
    assert (found["token"].mode, found["ca.crt"].mode) == (0o600, 0o644)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([{"secret": {"name": "no"}}], 'secret "no" not found'),
        (
            [{"secret": {"name": "no"}}, {"configMap": {"name": "nor"}}],
            '[secret "no" not found, configmap "nor" not found]',
        ),
        ([{"secret": {"name": "no", "optional": True}}], {}),
        (
            [{"secret": {"name": "tls"}}, {"secret": {"name": "tls", "items": [{"key": "q", "path": "q"}]}}],
            "references non-existent secret key: q",
        ),
        ([{"clusterTrustBundle": {"path": "x"}}], "this node cannot project clusterTrustBundle"),
        (None, {}),
    ],
)
def test_projected_errors(sources: list[Object] | None, expected: Object | str) -> None:
    assert result(projected, {"sources": sources}) == expected


def result(kind: Any, source: Object) -> Object | str:
    """The files, or the error's text."""
    try:
        return dict(kind.files(source, INPUTS))
    except ContentError as error:
        return str(error)


def fields(inputs: Inputs) -> Object:
    return {name: getattr(inputs, name) for name in Inputs.__dataclass_fields__}


def test_only_mounted_volumes_are_used() -> None:
    mounts = [{"name": "b", "mountPath": "/b"}]
    subject = pod(
        container("web", volumeMounts=mounts),
        init=(container("first", volumeDevices=[{"name": "d", "devicePath": "/dev/d"}]),),
    )
    subject["spec"]["volumes"] = [{"name": name, "emptyDir": {}} for name in "abcd"]
    assert [volume["name"] for volume in used_volumes(subject)] == ["b", "d"]
    assert used_volumes(pod()) == []


@pytest.mark.parametrize(
    ("volume", "where"),
    [
        ({"name": "a", "secret": {}}, "/p/volumes/kubernetes.io~secret/a"),
        ({"name": "a", "emptyDir": {}, "secret": None}, "/p/volumes/kubernetes.io~empty-dir/a"),
        ({"name": "a", "hostPath": {"path": "/srv"}}, "/srv"),
    ],
)
def test_places(volume: Object, where: str) -> None:
    assert str(volume_path(Path("/p"), volume)) == where


@pytest.mark.parametrize("kind", ["nfs", "csi", "persistentVolumeClaim", "image", "ephemeral"])
def test_other_kinds_are_named(kind: str) -> None:
    volume: Object = {"name": "a", kind: {}}
    assert kind_of(volume) == kind
    with pytest.raises(VolumeError) as caught:
        volume_path(Path("/p"), volume)
    assert str(caught.value) == (
        f"this node cannot mount volumes of type {kind}; "
        "it mounts configMap, downwardAPI, emptyDir, hostPath, projected and secret"
    )
