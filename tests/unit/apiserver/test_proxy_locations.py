"""Where a proxied request goes."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import PODS
from podyard.apiserver.connect.locations import (
    Asked,
    KubeletApi,
    NodePort,
    candidates,
    node_location,
    parse_name,
    pod_location,
    port_name,
)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("web", Asked("", "web", "")),
        ("web:80", Asked("", "web", "80")),
        ("https:web:", Asked("https", "web", "")),
        ("http:web:name", Asked("http", "web", "name")),
    ],
)
def test_names(text: str, asked: Asked) -> None:
    assert parse_name(PODS, text) == asked


@pytest.mark.parametrize("text", ["ftp:web:80", ":80", "a:b:c:d", "https::80"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_name(PODS, text)
    assert (refused.value.code, refused.value.message) == (400, f'invalid pod request "{text}"')


def pod(*ports: int, ip: str = "10.0.0.1") -> dict[str, Any]:
    containers = [{"name": "a"}, {"name": "b", "ports": [{"containerPort": port} for port in ports]}]
    return {"spec": {"nodeName": "n", "containers": containers}, "status": {"podIP": ip}}


@pytest.mark.parametrize(
    ("text", "ports", "expected"),
    [
        ("p", (8080, 9090), 8080),
        ("p", (), 80),
        ("https:p:", (), 443),
        ("p:9090", (8080,), 9090),
    ],
)
def test_pods(text: str, ports: tuple[int, ...], expected: int) -> None:
    asked = parse_name(PODS, text)
    found = pod_location(pod(*ports), asked)
    assert (found.port, found.tls) == (expected, text.startswith("https"))


@pytest.mark.parametrize(
    ("text", "ip", "code", "message"),
    [
        ("p", "", 400, "address not allowed"),
        ("p:http", "10.0.0.1", 503, "error trying to reach service: dial tcp: lookup tcp/http: unknown port"),
        (
            "p:99999",
            "10.0.0.1",
            503,
            "error trying to reach service: dial tcp: lookup tcp/99999: unknown port",
        ),
    ],
)
def test_pods_that_cannot_be(text: str, ip: str, code: int, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        pod_location(pod(ip=ip), parse_name(PODS, text))
    assert (refused.value.code, refused.value.message) == (code, message)


def test_nodes() -> None:
    status = {
        "addresses": [{"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": "10.0.0.9"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }
    node = {"metadata": {"name": "n"}, "status": status}
    assert node_location(node, Asked("", "n", "")) == KubeletApi(node)
    assert node_location(node, Asked("https", "n", "10250")) == KubeletApi(node)
    assert node_location(node, Asked("", "n", "9100")) == NodePort("10.0.0.9", 9100, False)


def test_the_ports_of_a_service() -> None:
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}, {"port": 81}]}}
    assert (port_name(service, 80), port_name(service, 81)) == ("http", "")
    with pytest.raises(StatusError) as refused:
        port_name(service, 82)
    assert (refused.value.code, refused.value.message) == (503, 'no service port 82 found for service "web"')


def test_the_endpoints_of_a_service() -> None:
    def address(ip: str, **ref: str) -> dict[str, Any]:
        return {"ip": ip, **({"targetRef": {"kind": "Pod", "namespace": "ns", **ref}} if ref else {})}

    ports = [{"name": "http", "port": 8080}, {"name": "other", "port": 9090}]
    subsets = [
        {
            "addresses": [
                address("10.0.0.1", name="a"),
                address("10.0.0.2", name="b"),
                address("10.0.0.3"),  # made by hand
                address("10.0.0.4", name="elsewhere", namespace="other"),
            ],
            "notReadyAddresses": [address("10.0.0.5", name="unready")],
            "ports": ports,
        },
        {"addresses": [address("10.0.0.6", name="c")], "ports": [{"port": 80}]},
    ]
    endpoints = {"subsets": subsets}
    assert sorted(candidates(endpoints, "ns", "http")) == [("a", "10.0.0.1", 8080), ("b", "10.0.0.2", 8080)]
    assert list(candidates(endpoints, "ns", "")) == [("c", "10.0.0.6", 80)]
    assert not list(candidates(endpoints, "ns", "nope"))
    firsts = {next(candidates(endpoints, "ns", "other"))[0] for _ in range(64)}
    assert firsts == {"a", "b"}, "not always the same one"
