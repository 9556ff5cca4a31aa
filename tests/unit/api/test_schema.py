"""Decode errors, unknown fields and the stored form of objects."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podyard.api import schema
from podyard.api.resources import RESOURCES

QUANTITY_ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def mismatch(value: str, field: str, go_type: str) -> str:
    return f"json: cannot unmarshal {value} into Go struct field {field} of type {go_type}"


def deployment(**spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"run": "my-nginx"}},
        "spec": {"containers": [{"name": "my-nginx", "image": "nginx", "ports": [{"containerPort": 80}]}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "my-nginx"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"run": "my-nginx"}},
            "template": template,
            **spec,
        },
    }


def pod(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", **container}]},
    }


def check(obj: dict[str, Any]) -> schema.Checked:
    return schema.check(obj["apiVersion"], obj["kind"], obj)


def prune(obj: dict[str, Any]) -> dict[str, Any]:
    return schema.prune(obj["apiVersion"], obj["kind"], obj)


def test_a_good_object_passes_and_is_stored_as_it_is() -> None:
    assert check(deployment()) == schema.Checked([], [])
    obj = deployment()
    assert prune(obj) is obj


def cm(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", **fields}


def secret(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "data": data}


@pytest.mark.parametrize(
    ("obj", "error"),
    [
        (
            deployment(replicas="2"),
            mismatch("string", "DeploymentSpec.spec.replicas", "int32"),
        ),
        (
            deployment(replicas=1.5),
            mismatch("number 1.5", "DeploymentSpec.spec.replicas", "int32"),
        ),
        (
            deployment(replicas=2**31),
            mismatch("number 2147483648", "DeploymentSpec.spec.replicas", "int32"),
        ),
        (
            deployment(replicas=True),
            mismatch("bool", "DeploymentSpec.spec.replicas", "int32"),
        ),
        (
            deployment(paused="yes"),
            mismatch("string", "DeploymentSpec.spec.paused", "bool"),
        ),
        (
            deployment(template=[]),
            mismatch("array", "DeploymentSpec.spec.template", "v1.PodTemplateSpec"),
        ),
        (
            pod(ports=[{"containerPort": "http"}]),
            mismatch("string", "ContainerPort.spec.containers.ports.containerPort", "int32"),
        ),
        (
            pod(env={"A": "b"}),
            mismatch("object", "Container.spec.containers.env", "[]v1.EnvVar"),
        ),
        (
            pod(env=[{"name": "A", "value": 1}]),
            mismatch("number", "EnvVar.spec.containers.env.value", "string"),
        ),
        (
            pod(command="sh"),
            mismatch("string", "Container.spec.containers.command", "[]string"),
        ),
        (
            cm(metadata={"labels": {"a": 1}}),
            mismatch("number", "ObjectMeta.metadata.labels", "string"),
        ),
        (
            cm(metadata={"annotations": []}),
            mismatch("array", "ObjectMeta.metadata.annotations", "map[string]string"),
        ),
        (
            cm(data="x"),
            mismatch("string", "ConfigMap.data", "map[string]string"),
        ),
        (pod(resources={"limits": {"cpu": "ten"}}), QUANTITY_ERROR),
        (pod(resources={"limits": {"cpu": True}}), QUANTITY_ERROR),
        (pod(resources={"limits": {"cpu": []}}), QUANTITY_ERROR),
        (
            pod(livenessProbe={"tcpSocket": {"port": True}}),
            "json: cannot unmarshal bool into Go value of type int32",
        ),
        (
            pod(livenessProbe={"tcpSocket": {"port": 1.5}}),
            "json: cannot unmarshal number 1.5 into Go value of type int32",
        ),
        (
            cm(metadata={"creationTimestamp": "now"}),
            'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
        ),
        (cm(metadata={"creationTimestamp": 5}), "json: cannot unmarshal number into Go value of type string"),
        (secret(a="YWJ"), "illegal base64 data at input byte 0"),
        (secret(a="YWJjZA"), "illegal base64 data at input byte 4"),
        (secret(a="not base64!"), "illegal base64 data at input byte 3"),
        (secret(a="YWJj="), "illegal base64 data at input byte 4"),
        (secret(a="YWI=YWI="), "illegal base64 data at input byte 4"),
        (secret(a="YQ=a"), "illegal base64 data at input byte 3"),
        (secret(a=1), mismatch("number", "Secret.data", "[]uint8")),
    ],
)
def test_decode_errors(obj: dict[str, Any], error: str) -> None:
    assert check(obj) == schema.Checked([error], [])


def test_errors_come_in_the_order_of_the_document() -> None:
    found = check(deployment(replicas="2", paused=1))
    assert [error.rsplit(" ", 1)[1] for error in found.errors] == ["int32", "bool"]


def test_something_else_than_an_object() -> None:
    errors = schema.check("v1", "Pod", ["a"]).errors
    assert errors == ["json: cannot unmarshal array into Go value of type v1.Pod"]


@pytest.mark.parametrize(
    ("obj", "unknown"),
    [
        (deployment(replica=2), ["spec.replica"]),
        (deployment(template={"spec": {"contaners": []}}), ["spec.template.spec.contaners"]),
        (pod(imag="nginx"), ["spec.containers[0].imag"]),
        (pod(ports=[{"containerPort": 1}, {"port": 2}]), ["spec.containers[0].ports[1].port"]),
        ({**pod(), "extra": 1, "Spec": {}}, ["extra", "Spec"]),
        (cm(metadata={"labels": {"anything": "goes"}, "label": {}}), ["metadata.label"]),
        (
            {**pod(), "metadata": {"managedFields": [{"fieldsV1": {"f:x": {}}, "manger": "x"}]}},
            ["metadata.managedFields[0].manger"],
        ),
    ],
)
def test_unknown_fields(obj: dict[str, Any], unknown: list[str]) -> None:
    assert check(obj) == schema.Checked([], [f'unknown field "{path}"' for path in unknown])
    assert check(prune(obj)) == schema.Checked([], [])


def test_unknown_fields_and_errors_are_told_together() -> None:
    found = check(deployment(replica=2, replicas="2"))
    assert found.unknown == ['unknown field "spec.replica"']
    assert len(found.errors) == 1


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (cm(metadata={"name": "a", "creationTimestamp": None}), cm(metadata={"name": "a"})),
        (cm(data={"a": None}), cm(data={"a": ""})),
        (cm(data=None), cm()),
        (cm(bogus={"a": 1}), cm()),
        (cm(metadata={"finalizers": [None]}), cm(metadata={"finalizers": [""]})),
        (pod(args=[None, "a"]), pod(args=["", "a"])),
        (pod(ports=[None]), pod(ports=[{}])),
        (
            pod(resources={"limits": {"cpu": 0.5, "memory": "1024Ki"}}),
            pod(resources={"limits": {"cpu": "500m", "memory": "1Mi"}}),
        ),
        (pod(resources={"limits": {"cpu": None}}), pod(resources={"limits": {"cpu": "0"}})),
        (
            cm(metadata={"creationTimestamp": "2023-11-14T23:13:20.5+01:00"}),
            cm(metadata={"creationTimestamp": "2023-11-14T22:13:20Z"}),
        ),
        (
            {"apiVersion": "v1", "kind": "Event", "eventTime": "2023-11-14T22:13:20Z"},
            {"apiVersion": "v1", "kind": "Event", "eventTime": "2023-11-14T22:13:20.000000Z"},
        ),
        (secret(a="YWJj\nYWJj"), secret(a="YWJjYWJj")),
        # What is free in form is kept whole.
        (
            {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "revision": 1,
                "data": {"a": None, "b": {"c": 1}},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "revision": 1,
                "data": {"a": None, "b": {"c": 1}},
            },
        ),
    ],
)
def test_stored_form(given: dict[str, Any], stored: dict[str, Any]) -> None:
    before = copy.deepcopy(given)
    assert check(given).errors == []
    assert prune(given) == stored
    assert given == before
    assert prune(stored) is stored


@pytest.mark.parametrize("port", [80, "http", "25%"])
def test_int_or_string(port: Any) -> None:
    assert check(pod(livenessProbe={"tcpSocket": {"port": port}})) == schema.Checked([], [])


def test_a_kind_without_definition_is_taken_as_it_is() -> None:
    obj = {"apiVersion": "example.com/v1", "kind": "Thing", "a": None}
    assert schema.schema_of("example.com/v1", "Thing") is None
    assert check(obj) == schema.Checked([], [])
    assert prune(obj) is obj


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: f"{r.group_version}.{r.kind}")
def test_every_served_kind_has_a_schema(resource: Any) -> None:
    found = schema.schema_of(resource.group_version, resource.kind)
    assert found is not None
    assert found.name == resource.kind
    assert {"apiVersion", "kind", "metadata"} <= set(found.fields)


def test_every_definition_compiles() -> None:
    from podyard.api.definitions import definitions

    for name in definitions():
        node = schema._definition(name)
        if isinstance(node, schema.Schema):
            assert all(field.node is not None for field in node.fields.values())


def test_patch_metadata() -> None:
    found = schema.schema_of("v1", "Pod")
    assert found is not None
    spec = found.fields["spec"].node
    assert isinstance(spec, schema.Schema)
    assert spec.fields["containers"].merge_key == "name"
    assert spec.fields["containers"].patch_strategies == ("merge",)
    assert spec.fields["volumes"].patch_strategies == ("merge", "retainKeys")
    assert spec.fields["nodeName"].patch_strategies == ()
