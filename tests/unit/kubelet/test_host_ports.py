"""Which ports of the node a pod has."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubelet.ports import port_mappings
from podyard.kubelet.runtime import PortMapping

NODE = "10.10.0.1"


def tcp(host_ip: str = NODE, host_port: int = 8080, container_port: int = 80) -> PortMapping:
    return PortMapping(host_ip=host_ip, host_port=host_port, container_port=container_port)


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([], ()),
        ([{"containerPort": 80}], ()),
        ([{"containerPort": 80, "hostPort": 8080}], (tcp(),)),
        ([{"containerPort": 80, "hostPort": 8080, "hostIP": "0.0.0.0"}], (tcp(),)),
        ([{"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}], (tcp("127.0.0.1"),)),
        ([{"containerPort": 80, "hostPort": 8080, "protocol": "SCTP"}], ()),
        (
            [{"containerPort": 53, "hostPort": 53, "protocol": "UDP"}, {"containerPort": 53, "hostPort": 54}],
            (
                PortMapping(host_ip=NODE, host_port=53, container_port=53, protocol="UDP"),
                tcp(host_port=54, container_port=53),
            ),
        ),
    ],
)
def test_port_mappings(ports: list[dict[str, Any]], expected: tuple[PortMapping, ...]) -> None:
    assert port_mappings({"spec": {"containers": [{"name": "a", "ports": ports}]}}, NODE) == expected


def test_sidecars_have_them_and_pods_on_the_hosts_network_have_none() -> None:
    container = {"name": "a", "ports": [{"containerPort": 80, "hostPort": 8080}]}
    once = {"containers": [], "initContainers": [container]}
    assert port_mappings({"spec": once}, NODE) == ()
    always = {"containers": [], "initContainers": [{**container, "restartPolicy": "Always"}]}
    assert port_mappings({"spec": always}, NODE) == (tcp(),)
    assert port_mappings({"spec": {"hostNetwork": True, "containers": [container]}}, NODE) == ()
