"""A container's environment: Services, references, expansion."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podyard.kubelet.env import (
    EnvError,
    Sources,
    expand,
    expand_all,
    make_environment,
    references,
    service_variables,
)
from tests.unit.kubelet.pods import UID, container, pod

Object = dict[str, Any]


def service(name: str, ip: str, *ports: Object, namespace: str = "default") -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": list(ports)},
    }


KUBERNETES = service("kubernetes", "127.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"})
MY_NGINX = service("my-nginx", "127.96.0.7", {"port": 80, "protocol": "TCP"})
SOURCES = Sources(
    services=[KUBERNETES, MY_NGINX],
    config_maps={"settings": {"data": {"colour": "blue", "size": "2"}}},
    secrets={"token": {"data": {"key": base64.b64encode(b"s3cret").decode()}}},
    pod_ips=("127.244.1.2",),
    host_ips=("127.10.0.1",),
    allocatable={"cpu": "4", "memory": "8Gi"},
)


def test_service_variables_are_those_of_kubernetes_and_docker_links() -> None:
    assert service_variables("default", [MY_NGINX], links=True) == {
        "MY_NGINX_SERVICE_HOST": "127.96.0.7",
        "MY_NGINX_SERVICE_PORT": "80",
        "MY_NGINX_PORT": "tcp://127.96.0.7:80",
        "MY_NGINX_PORT_80_TCP": "tcp://127.96.0.7:80",
        "MY_NGINX_PORT_80_TCP_PROTO": "tcp",
        "MY_NGINX_PORT_80_TCP_PORT": "80",
        "MY_NGINX_PORT_80_TCP_ADDR": "127.96.0.7",
    }


def test_named_ports_have_a_variable_each() -> None:
    dns = service(
        "kube-dns",
        "127.96.0.10",
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    )
    variables = service_variables("default", [dns], links=True)
    assert variables["KUBE_DNS_SERVICE_PORT"] == "53"
    assert variables["KUBE_DNS_SERVICE_PORT_DNS"] == "53"
    assert variables["KUBE_DNS_SERVICE_PORT_DNS_TCP"] == "53"
    assert variables["KUBE_DNS_PORT"] == "udp://127.96.0.10:53"
    assert variables["KUBE_DNS_PORT_53_TCP"] == "tcp://127.96.0.10:53"


OTHER = service("other", "127.96.0.9", {"port": 1}, namespace="far")
HEADLESS = service("headless", "None", {"port": 1})
EXTERNAL = service("external", "", {"port": 1})
OWN_KUBERNETES = service("kubernetes", "127.96.0.99", {"port": 1}, namespace="far")


@pytest.mark.parametrize(
    ("namespace", "services", "links", "hosts"),
    [
        ("default", [KUBERNETES, MY_NGINX], True, {"KUBERNETES": "127.96.0.1", "MY_NGINX": "127.96.0.7"}),
        ("default", [KUBERNETES, MY_NGINX], False, {"KUBERNETES": "127.96.0.1"}),
        ("far", [KUBERNETES, MY_NGINX, OTHER], True, {"KUBERNETES": "127.96.0.1", "OTHER": "127.96.0.9"}),
        ("far", [OWN_KUBERNETES, KUBERNETES], True, {"KUBERNETES": "127.96.0.99"}),
        ("far", [KUBERNETES, OWN_KUBERNETES], True, {"KUBERNETES": "127.96.0.99"}),
        ("default", [HEADLESS, EXTERNAL], True, {}),
    ],
)
def test_which_services_a_pod_sees(
    namespace: str, services: list[Object], links: bool, hosts: dict[str, str]
) -> None:
    variables = service_variables(namespace, services, links=links)
    suffix = "_SERVICE_HOST"
    assert {k.removesuffix(suffix): v for k, v in variables.items() if k.endswith(suffix)} == hosts


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(A", "$(A"),
        ("$A", "$A"),
        ("100$", "100$"),
        ("$()", "$()"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}.get) == expanded


def test_command_words_are_expanded_each() -> None:
    assert expand_all(["echo", "$(A) $(A)"], {"A": "1"}) == ["echo", "1 1"]
    assert expand_all(None, {}) == []


def field(path: str) -> Object:
    return {"fieldRef": {"fieldPath": path}}


def resource(name: str, **fields: str) -> Object:
    return {"resourceFieldRef": {"resource": name, **fields}}


def key_ref(kind: str, name: str, key: str, **fields: bool) -> Object:
    return {f"{kind}KeyRef": {"name": name, "key": key, **fields}}


LIMITS = {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}


@pytest.mark.parametrize(
    ("value_from", "value"),
    [
        (field("metadata.name"), "p"),
        (field("metadata.namespace"), "default"),
        (field("metadata.uid"), UID),
        (field("metadata.labels['app']"), "web"),
        (field("metadata.labels['none']"), ""),
        (field("metadata.annotations['a/b']"), "c"),
        (field("spec.nodeName"), "node1"),
        (field("spec.serviceAccountName"), "default"),
        (field("status.podIP"), "127.244.1.2"),
        (field("status.podIPs"), "127.244.1.2"),
        (field("status.hostIP"), "127.10.0.1"),
        (field("status.hostIPs"), "127.10.0.1"),
        (resource("limits.cpu"), "2"),
        (resource("limits.cpu", divisor="1m"), "1500"),
        (resource("requests.cpu", divisor="1m"), "250"),
        (resource("limits.memory"), str(64 * 1024 * 1024)),
        (resource("limits.memory", divisor="1Mi"), "64"),
        (resource("requests.memory", divisor="0"), str(32 * 1024 * 1024)),
        (resource("limits.cpu", containerName="idle"), "4"),
        (resource("requests.cpu", containerName="idle"), "0"),
        (key_ref("configMap", "settings", "colour"), "blue"),
        (key_ref("configMap", "settings", "none", optional=True), None),
        (key_ref("configMap", "none", "colour", optional=True), None),
        (key_ref("secret", "token", "key"), "s3cret"),
        (key_ref("secret", "none", "key", optional=True), None),
    ],
)
def test_values_from_elsewhere(value_from: Object, value: str | None) -> None:
    web = container("web", env=[{"name": "X", "valueFrom": value_from}], resources=LIMITS)
    subject = pod(web, container("idle"), labels={"app": "web"}, annotations={"a/b": "c"})
    subject["spec"]["serviceAccountName"] = "default"
    assert make_environment(subject, web, SOURCES).get("X") == value


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"env": [{"name": "X", "valueFrom": key_ref("configMap", "none", "k")}]},
            'configmap "none" not found',
        ),
        ({"env": [{"name": "X", "valueFrom": key_ref("secret", "none", "k")}]}, 'secret "none" not found'),
        (
            {"env": [{"name": "X", "valueFrom": key_ref("configMap", "settings", "k")}]},
            "couldn't find key k in ConfigMap default/settings",
        ),
        (
            {"env": [{"name": "X", "valueFrom": key_ref("secret", "token", "k")}]},
            "couldn't find key k in Secret default/token",
        ),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"envFrom": [{"secretRef": {"name": "none"}}]}, 'secret "none" not found'),
        (
            {"env": [{"name": "X", "valueFrom": field("spec.hostname")}]},
            "unsupported fieldPath: spec.hostname",
        ),
        (
            {"env": [{"name": "X", "valueFrom": {"fileKeyRef": {}}}]},
            "env valueFrom of fileKeyRef is not supported by this node",
        ),
    ],
)
def test_what_cannot_be_found_is_named(fields: Object, message: str) -> None:
    web = container("web", **fields)
    with pytest.raises(EnvError) as caught:
        make_environment(pod(web), web, SOURCES)
    assert str(caught.value) == message


def test_later_variables_win_and_see_earlier_ones() -> None:
    web = container(
        "web",
        envFrom=[
            {"prefix": "CM_", "configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "token"}},
            {"configMapRef": {"name": "none", "optional": True}},
        ],
        env=[
            {"name": "CM_size", "value": "9"},
            {"name": "URL", "value": "http://$(MY_NGINX_SERVICE_HOST)/$(CM_colour)?$(key)"},
            {"name": "KUBERNETES_SERVICE_HOST", "value": "mine"},
            {"name": "EMPTY"},
            {"name": "LATER", "value": "$(URL)!"},
        ],
    )
    env = make_environment(pod(web), web, SOURCES)
    assert env["CM_colour"] == "blue"
    assert env["CM_size"] == "9"
    assert env["URL"] == "http://127.96.0.7/blue?s3cret"
    assert env["LATER"] == "http://127.96.0.7/blue?s3cret!"
    assert env["KUBERNETES_SERVICE_HOST"] == "mine"
    assert env["EMPTY"] == ""
    assert env["MY_NGINX_SERVICE_PORT"] == "80"


def test_service_links_can_be_switched_off() -> None:
    subject = pod()
    subject["spec"]["enableServiceLinks"] = False
    env = make_environment(subject, subject["spec"]["containers"][0], SOURCES)
    assert "MY_NGINX_SERVICE_HOST" not in env
    assert env["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"


def test_references_name_what_must_be_fetched() -> None:
    web = container(
        "web",
        envFrom=[{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
        env=[
            {"name": "X", "valueFrom": key_ref("configMap", "c", "k")},
            {"name": "Y", "valueFrom": key_ref("secret", "d", "k")},
            {"name": "Z", "value": "plain"},
        ],
    )
    assert references(web) == ({"a", "c"}, {"b", "d"})
