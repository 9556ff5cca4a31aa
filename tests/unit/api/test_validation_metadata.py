"""Names, labels, annotations, owners and finalizers of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.resources import RESOURCES
from podyard.api.validation import validate_create

from .conftest import Refused, RefusedUpdate

NOT_A_NAME = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
NOT_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
NOT_A_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
NOT_A_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}

NAMES: list[tuple[str, str, list[str]]] = [
    ("ConfigMap", "a.b-1", []),
    ("ConfigMap", "A_b", [f'metadata.name: Invalid value: "A_b": {NOT_A_NAME}']),
    (
        "ConfigMap",
        "a" * 254,
        [f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 bytes'],
    ),
    ("Service", "1web", [f'metadata.name: Invalid value: "1web": {NOT_1035}']),
    ("Namespace", "a.b", ['metadata.name: Invalid value: "a.b": must not contain dots']),
    ("Role", "system:Reader", []),
    ("Role", "a/b", ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]),
    ("Event", "Web.17c", []),
    (
        "CronJob",
        "a" * 53,
        [f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters'],
    ),
]


@pytest.mark.parametrize(("kind", "name", "expected"), NAMES)
def test_name(kind: str, name: str, expected: list[str], refused: Refused) -> None:
    assert refused(kind, {"metadata": {"name": name}}) == expected


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": None}, ["metadata.name: Required value: name or generateName is required"]),
    ({"generateName": "web-"}, []),
    (
        {"generateName": "Web-"},
        [f'metadata.generateName: Invalid value: "Web-": {NOT_A_NAME}'],
    ),
    ({"namespace": None}, ["metadata.namespace: Required value"]),
    ({"namespace": "a.b"}, ['metadata.namespace: Invalid value: "a.b": must not contain dots']),
    ({"labels": {"a b": "c"}}, [f'metadata.labels: Invalid value: "a b": {NOT_A_KEY}']),
    ({"labels": {"a": "b c"}}, [f'metadata.labels: Invalid value: "b c": {NOT_A_VALUE}']),
    ({"labels": {"/a": ""}}, ['metadata.labels: Invalid value: "/a": prefix part must be non-empty']),
    ({"annotations": {"A.example.com/X": "any text at all"}}, []),
    ({"annotations": {"a b": "c"}}, [f'metadata.annotations: Invalid value: "a b": {NOT_A_KEY}']),
    (
        {"annotations": {"a": "x" * 262144}},
        ["metadata.annotations: Too long: may not be more than 262144 bytes"],
    ),
    ({"annotations": {"a": "x" * 262143}}, []),
    ({"finalizers": ["example.com/keep", "foregroundDeletion"]}, []),
    (
        {"finalizers": ["keep"]},
        [
            'metadata.finalizers[0]: Invalid value: "keep": name is neither a standard finalizer '
            "name nor is it "
            "fully qualified"
        ],
    ),
    (
        {"finalizers": ["orphan", "foregroundDeletion"]},
        [
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and '
            "foregroundDeletion cannot be both set"
        ],
    ),
    ({"ownerReferences": [OWNER, {**OWNER, "controller": False}]}, []),
    (
        {"ownerReferences": [{**OWNER, "uid": "", "name": ""}]},
        [
            'metadata.ownerReferences.name: Invalid value: "": must not be empty',
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ],
    ),
]


@pytest.mark.parametrize(("meta", "expected"), CASES)
def test_metadata(meta: dict[str, Any], expected: list[str], refused: Refused) -> None:
    assert refused("ConfigMap", {"metadata": meta}) == expected


def test_one_controller(refused: Refused) -> None:
    (error,) = refused("ConfigMap", {"metadata": {"ownerReferences": [OWNER, {**OWNER, "name": "s"}]}})
    assert error.endswith(
        "Only one reference can have Controller set to true. "
        'Found "true" in references for ReplicaSet/r and ReplicaSet/s'
    )


def test_no_namespace_on_cluster_kinds(refused: Refused) -> None:
    expected = ["metadata.namespace: Forbidden: not allowed on this type"]
    assert refused("Namespace", {"metadata": {"namespace": "x"}}) == expected


UPDATES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"uid": "1"}, {"uid": None}, []),
    ({"uid": "1"}, {"uid": "2"}, ['metadata.uid: Invalid value: "2": field is immutable']),
    ({}, {"name": "other"}, ['metadata.name: Invalid value: "other": field is immutable']),
    (
        {"creationTimestamp": "2026-01-01T00:00:00Z"},
        {"creationTimestamp": "2026-01-01T00:00:01Z"},
        ['metadata.creationTimestamp: Invalid value: "2026-01-01T00:00:01Z": field is immutable'],
    ),
    (
        {"generation": 2},
        {"generation": 1},
        ["metadata.generation: Invalid value: 1: must not be decremented"],
    ),
    (
        {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/a"]},
        {"finalizers": ["example.com/a", "example.com/b"]},
        [
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
            'found new finalizers []string{"example.com/b"}'
        ],
    ),
    ({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/a"]}, {"finalizers": []}, []),
    ({}, {"labels": {"a": "b c"}}, [f'metadata.labels: Invalid value: "b c": {NOT_A_VALUE}']),
]


@pytest.mark.parametrize(("before", "change", "expected"), UPDATES)
def test_update(
    before: dict[str, Any], change: dict[str, Any], expected: list[str], refused_update: RefusedUpdate
) -> None:
    assert refused_update("ConfigMap", {"metadata": before}, {"metadata": change}) == expected


def test_the_cause_names_the_reason() -> None:
    resource = next(r for r in RESOURCES if r.kind == "ConfigMap")
    (error,) = validate_create(resource, {"metadata": {"namespace": "default"}})
    assert (error.path, error.reason) == ("metadata.name", "FieldValueRequired")


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: f"{r.group_version}/{r.kind}")
def test_every_kind_is_looked_at(resource: Any) -> None:
    """Nothing but metadata: whatever else is missing is told, never stumbled over."""
    meta = {"name": "A_b" if resource.namespaced else "A/b"}
    errors = validate_create(resource, {"kind": resource.kind, "metadata": meta})
    has_name_error = any(error.path == "metadata.name" for error in errors)
    if resource.namespaced and resource.kind in ("Role", "RoleBinding", "Event"):
        assert not has_name_error
    else:
        assert has_name_error is resource.stored
