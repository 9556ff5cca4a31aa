"""Bodies in Kubernetes' protobuf, as kubectl 1.33 sent them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.apiserver.bodies import decode as decode_body
from podyard.apiserver.protobuf.decode import MAGIC, Undecodable, decode
from podyard.apiserver.protobuf.wire import encoded_bool, encoded_bytes, encoded_text, fields, signed

DEPLOYMENT = (
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErABChsKAWQSABoAIgAqADIAOABCAFoICgNhcHASAWQSggEIABIKCggKA2FwcBIB"
    "ZBpqChoKABIAGgAiACoAMgA4AEIAWggKA2FwcBIBZBJMEi4KBW5naW54EgVuZ2lueCoAMgoKABAAGFAiACoAQgBqAHIAgAEAiAEA"
    "kAEAogEAGgAyAEIASgBSAFgAYABoAIIBAIoBAJoBAMIBACICCgAoADgAGgwIABAAGAAgACgAOAAaACIA"
)
INGRESS = (
    "azhzAAofChRuZXR3b3JraW5nLms4cy5pby92MRIHSW5ncmVzcxJcChEKAWkSABoAIgAqADIAOABCABJDEhIKB2Zvby5jb20SB215"
    "LWNlcnQaLQoHZm9vLmNvbRIiCiAKHgoEL2JhchIPIg0KBHN2YzESBQoAEJA/GgVFeGFjdBoCCgAaACIA"
)
SERVICE = (
    "azhzAAoNCgJ2MRIHU2VydmljZRJnChsKAXMSABoAIgAqADIAOABCAFoICgNhcHASAXMSRAogCgc4MC1odHRwEgNUQ1AYUCIKCAEQ"
    "ABoEaHR0cCix6gESCAoDYXBwEgFzGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA="
)
QUOTA = (
    "azhzAAoTCgJ2MRINUmVzb3VyY2VRdW90YRIwChEKAXESABoAIgAqADIAOABCABIZCgoKA2NwdRIDCgExCgsKBHBvZHMSAwoBMhoA"
    "GgAiAA=="
)
SECRET = "azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAWESAWIaABoAIgA="
BUDGET = (
    "azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSNgoRCgFwEgAaACIAKgAyADgAQgASFQoJCAEQABoDNTAlEggK"
    "BgoBYRIBYhoKCAAYACAAKAAwABoAIgA="
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            DEPLOYMENT,
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "d", "labels": {"app": "d"}},
                "spec": {
                    "replicas": 0,  # a pointer: 0 was meant
                    "selector": {"matchLabels": {"app": "d"}},
                    "template": {
                        "metadata": {"labels": {"app": "d"}},
                        "spec": {
                            "containers": [
                                {"name": "nginx", "image": "nginx", "ports": [{"containerPort": 80}]}
                            ]
                        },
                    },
                },
            },
        ),
        (
            INGRESS,
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": "i"},
                "spec": {
                    "tls": [{"hosts": ["foo.com"], "secretName": "my-cert"}],
                    "rules": [
                        {
                            "host": "foo.com",
                            "http": {
                                "paths": [
                                    {
                                        "path": "/bar",
                                        "pathType": "Exact",
                                        "backend": {"service": {"name": "svc1", "port": {"number": 8080}}},
                                    }
                                ]
                            },
                        }
                    ],
                },
            },
        ),
        (
            SERVICE,
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "s", "labels": {"app": "s"}},
                "spec": {
                    "type": "NodePort",
                    "selector": {"app": "s"},
                    "ports": [
                        {
                            "name": "80-http",
                            "protocol": "TCP",
                            "port": 80,
                            "targetPort": "http",
                            "nodePort": 30001,
                        }
                    ],
                },
            },
        ),
        (
            QUOTA,
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "q"},
                "spec": {"hard": {"cpu": "1", "pods": "2"}},
            },
        ),
        (
            SECRET,
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}},
        ),
        (
            BUDGET,
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "p"},
                "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}},
            },
        ),
    ],
)
def test_what_kubectl_sends(body: str, expected: dict[str, Any]) -> None:
    assert decode(base64.b64decode(body)) == expected
    assert decode_body(base64.b64decode(body), "application/vnd.kubernetes.protobuf") == expected


def _object(api_version: str, kind: str, raw: bytes) -> bytes:
    type_meta = encoded_text(1, api_version) + encoded_text(2, kind)
    return MAGIC + encoded_bytes(1, type_meta) + encoded_bytes(2, raw)


def test_inlined_messages_times_and_pointers() -> None:
    time = b"\x08\x80\xe2\xcf\xaa\x06"  # 1700000000 seconds
    metadata = encoded_text(1, "p") + encoded_bytes(8, time)
    volume = encoded_text(1, "v") + encoded_bytes(2, encoded_bytes(2, b""))  # volumeSource.emptyDir
    spec = encoded_bytes(1, volume) + b"\xa8\x01\x00"  # automountServiceAccountToken: false
    assert decode(_object("v1", "Pod", encoded_bytes(1, metadata) + encoded_bytes(2, spec))) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "creationTimestamp": "2023-11-14T22:13:20Z"},
        "spec": {"volumes": [{"name": "v", "emptyDir": {}}], "automountServiceAccountToken": False},
    }


def test_fields_from_the_future_are_passed_over() -> None:
    raw = encoded_bytes(1, encoded_text(1, "s")) + encoded_bool(999, True)
    assert decode(_object("v1", "Secret", raw))["metadata"] == {"name": "s"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        MAGIC + b"\x0a",
        MAGIC + b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        _object("v1", "Nothing", b""),
        _object("v1", "Secret", b"\x0a\x05ab"),
        _object("v1", "Secret", b"\x08\x01"),
        _object("v1", "Secret", b"\x0b"),
    ],
)
def test_broken_bodies(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(body)
    with pytest.raises(StatusError) as refused:
        decode_body(body, "application/vnd.kubernetes.protobuf")
    assert refused.value.code == 400


def test_wire_numbers() -> None:
    data = b"\x08\x96\x01" + b"\x11" + (7).to_bytes(8, "little") + b"\x1d" + (9).to_bytes(4, "little")
    assert list(fields(data)) == [(1, 150), (2, 7), (3, 9)]
    assert signed((1 << 64) - 5) == -5
    assert list(fields(encoded_bytes(300, b"x" * 200))) == [(300, b"x" * 200)]
