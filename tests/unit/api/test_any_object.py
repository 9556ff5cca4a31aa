"""Defaults and validation of objects that nobody would write: rightly typed, otherwise at random."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from podyard.api import schema
from podyard.api.defaults import apply_defaults
from podyard.api.resources import RESOURCES, Resource
from podyard.api.validation import validate_create, validate_update

VALUES: tuple[Any, ...] = (
    *("", "a", "A_b", "80", "25%", "1Gi", "-1", "127.0.0.1", "fd00::1", "10.0.0.0/8", "YQ==", "None"),
    *("Always", "RollingUpdate", "ClusterIP", "In", "metadata.labels['x']", "v1", "*/5 * * * *"),
    *(0, -1, 80, 70000, 0.5, True, False, "2026-01-01T00:00:00Z"),
)
DEEPEST = 12


def typed(node: Any, chance: random.Random, depth: int = 0) -> Any:
    """A value of that type: most fields near the top, ever fewer below."""
    match node:
        case schema.Schema():
            share = 0.75 if depth < 3 else 0.35
            given = {k: f for k, f in node.fields.items() if depth < DEEPEST and chance.random() < share}
            return {key: typed(field.node, chance, depth + 1) for key, field in given.items()}
        case schema.ListNode():
            return [typed(node.items, chance, depth + 1) for _ in range(chance.randrange(3))]
        case schema.MapNode():
            keys = chance.sample(["a", "cpu", "A b", "x/y"], chance.randrange(3))
            return {key: typed(node.values, chance, depth + 1) for key in keys}
    return chance.choice([value for value in VALUES if node.fits(value)] or [None])


def random_object(resource: Resource, chance: random.Random) -> dict[str, Any]:
    kind = schema.schema_of(resource.group_version, resource.kind)
    assert kind is not None
    obj = {**typed(kind, chance), "apiVersion": resource.group_version, "kind": resource.kind}
    return copy.deepcopy(schema.prune(resource.group_version, resource.kind, obj))


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: f"{r.group_version}/{r.kind}")
def test_nothing_is_stumbled_over(resource: Resource) -> None:
    chance = random.Random(resource.kind)
    objects = [random_object(resource, chance) for _ in range(4)]
    for obj in objects:
        apply_defaults(resource.group_version, resource.kind, obj)
        checked = schema.check(resource.group_version, resource.kind, obj)
        assert (checked.errors, checked.unknown) == ([], [])
        snapshot = copy.deepcopy(obj)
        validate_create(resource, obj)
        validate_update(resource, obj, objects[0])
        assert obj == snapshot
