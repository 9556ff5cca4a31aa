"""Services: addresses and node ports, taken, kept and given back within the write."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import SERVICES
from podyard.apiserver.registry import Object, Stored
from podyard.apiserver.registry.strategies import Ranges
from podyard.apiserver.registry.strategies.allocation import allocate
from podyard.apiserver.storage import StorageError
from tests.unit.apiserver.registry_harness import Cluster, cluster_in, service

SMALL = Ranges(IPv4Network("127.96.0.0/29"), range(30000, 30003), frozenset({"127.96.0.5"}))


def _nothing(_value: str) -> bool:
    """Is taken."""
    return False


async def refusal(call: Any) -> str:
    with pytest.raises(StatusError) as caught:
        await call
    assert caught.value.code == 422
    return caught.value.message


async def test_a_service_gets_an_address_of_the_upper_part(cluster: Cluster) -> None:
    spec = (await cluster.create(SERVICES, service("a")))["spec"]
    assert IPv4Address("127.96.1.0") <= IPv4Address(spec["clusterIP"]) <= IPv4Address("127.96.255.254")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


async def test_services_made_at_once_have_different_addresses(cluster: Cluster) -> None:
    made = await asyncio.gather(
        *(cluster.create(SERVICES, service(f"s{n}", type="NodePort")) for n in range(50))
    )
    assert len({obj["spec"]["clusterIP"] for obj in made}) == 50
    assert len({obj["spec"]["ports"][0]["nodePort"] for obj in made}) == 50


@pytest.mark.parametrize(
    "spec", [{"type": "NodePort"}, {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}]
)
async def test_a_write_looks_at_no_other_service(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, spec: Object
) -> None:
    """What a write costs does not depend on how many Services there are."""
    await asyncio.gather(*(cluster.create(SERVICES, service(f"s{n}", **spec)) for n in range(20)))
    decoded: list[str] = []
    decode = Stored.decode

    def counting(stored: Stored) -> Object:
        decoded.append(stored.name)
        return decode(stored)

    monkeypatch.setattr(Stored, "decode", counting)
    await cluster.create(SERVICES, service("a", **spec))
    await cluster.patch(SERVICES, "a", {"spec": {"type": "ClusterIP"}})
    await cluster.patch(SERVICES, "a", {"spec": {"type": "NodePort"}})
    assert set(decoded) == {"a", "default"}  # itself, and its namespace


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.96.0.5", "provided IP is already allocated"),
        (
            "10.0.0.5",
            "the provided IP (10.0.0.5) is not in the valid range. The range of valid IPs is 127.96.0.0/16",
        ),
        (
            "127.96.255.255",
            "the provided IP (127.96.255.255) is not in the valid range. "
            "The range of valid IPs is 127.96.0.0/16",
        ),
    ],
)
async def test_an_address_that_cannot_be_had(cluster: Cluster, address: str, why: str) -> None:
    await cluster.create(SERVICES, service("a", clusterIP="127.96.0.5"))
    assert await refusal(cluster.create(SERVICES, service("b", clusterIP=address))) == (
        f'Service "b" is invalid: spec.clusterIPs: Invalid value: ["{address}"]: '
        f"failed to allocate IP {address}: {why}"
    )


@pytest.mark.parametrize(
    ("port", "why"),
    [
        (30080, "provided port is already allocated"),
        (80, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ],
)
async def test_a_node_port_that_cannot_be_had(cluster: Cluster, port: int, why: str) -> None:
    def wants(name: str, number: int) -> Object:
        return service(name, type="NodePort", ports=[{"port": 80, "nodePort": number}])

    await cluster.create(SERVICES, wants("a", 30080))
    assert await refusal(cluster.create(SERVICES, wants("b", port))) == (
        f'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: {port}: {why}'
    )


async def test_what_a_deleted_service_had_is_free_again(cluster: Cluster) -> None:
    wants = {
        "type": "NodePort",
        "clusterIP": "127.96.0.5",
        "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}],
    }
    await cluster.create(SERVICES, service("a", **wants))
    await cluster.delete(SERVICES, "a")
    assert (await cluster.create(SERVICES, service("b", **wants)))["spec"]["clusterIP"] == "127.96.0.5"


async def test_an_address_goes_to_one_of_two_who_ask_at_once(cluster: Cluster) -> None:
    wants = [service(name, clusterIP="127.96.0.5") for name in ("a", "b")]
    results = await asyncio.gather(*(cluster.create(SERVICES, one) for one in wants), return_exceptions=True)
    assert [isinstance(result, StatusError) for result in results] == [False, True]


async def test_what_a_write_takes_is_held_though_its_caller_has_gone(cluster: Cluster) -> None:
    creating = asyncio.create_task(cluster.create(SERVICES, service("a", clusterIP="127.96.0.5")))
    await asyncio.sleep(0)  # the write is on its way
    creating.cancel()
    await refusal(cluster.create(SERVICES, service("b", clusterIP="127.96.0.5")))
    await cluster.create(SERVICES, service("c"))  # is written after it
    assert await cluster.exists(SERVICES, "a")


async def test_what_a_failed_write_was_to_take_is_free(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = {"type": "NodePort", "clusterIP": "127.96.0.5", "ports": [{"port": 80, "nodePort": 30080}]}

    async def put(key: str, data: bytes, expected: int) -> int:
        raise StorageError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(cluster.storage, "put", put)
        with pytest.raises(StatusError, match="disk full"):
            await cluster.create(SERVICES, service("a", **wants))
    await cluster.create(SERVICES, service("b", **wants))


async def test_what_services_have_is_held_after_a_restart(tmp_path: Path) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "clusterIP": "127.96.0.5"}
    async with cluster_in(tmp_path) as cluster:
        made = (await cluster.create(SERVICES, service("a", **spec)))["spec"]
    async with cluster_in(tmp_path) as cluster:
        await refusal(cluster.create(SERVICES, service("b", clusterIP="127.96.0.5")))
        for number in (made["ports"][0]["nodePort"], made["healthCheckNodePort"]):
            ports = [{"port": 80, "nodePort": number}]
            await refusal(cluster.create(SERVICES, service("b", type="NodePort", ports=ports)))


async def test_a_health_check_port_is_none_of_the_node_ports(cluster: Cluster) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30080}
    message = await refusal(
        cluster.create(SERVICES, service("a", ports=[{"port": 80, "nodePort": 30080}], **spec))
    )
    assert "spec.healthCheckNodePort: Invalid value: 30080: provided port is already allocated" in message


async def test_a_dry_run_takes_nothing(cluster: Cluster) -> None:
    dry = await cluster.create(SERVICES, service("a", clusterIP="127.96.0.5"), cluster.options(dry_run=True))
    assert dry["spec"]["clusterIPs"] == ["127.96.0.5"]
    await cluster.create(SERVICES, service("b", clusterIP="127.96.0.5"))


async def test_an_update_without_address_and_ports_keeps_them(cluster: Cluster) -> None:
    made = await cluster.create(SERVICES, service("a", type="NodePort"))
    changed = await cluster.update(SERVICES, service("a", type="NodePort", selector={"app": "x"}))
    for key in ("clusterIP", "clusterIPs", "ports", "ipFamilies", "ipFamilyPolicy"):
        assert changed["spec"][key] == made["spec"][key]


async def test_an_address_does_not_change(cluster: Cluster) -> None:
    await cluster.create(SERVICES, service("a", clusterIP="127.96.0.5"))
    message = await refusal(cluster.update(SERVICES, service("a", clusterIP="127.96.0.6")))
    assert 'spec.clusterIPs[0]: Invalid value: ["127.96.0.6"]: may not change once set' in message


async def test_from_type_to_type(cluster: Cluster) -> None:
    made = (await cluster.create(SERVICES, service("a")))["spec"]

    async def becomes(**spec: Any) -> Object:
        changed: Object = (await cluster.patch(SERVICES, "a", {"spec": spec}))["spec"]
        return changed

    node_port = await becomes(type="NodePort")
    number = node_port["ports"][0]["nodePort"]
    assert 30000 <= number <= 32767
    assert node_port["externalTrafficPolicy"] == "Cluster"
    balancer = await becomes(type="LoadBalancer", externalTrafficPolicy="Local")
    assert balancer["ports"][0]["nodePort"] == number
    assert balancer["healthCheckNodePort"] not in (0, number)
    back = await becomes(type="ClusterIP")
    assert back == made
    name = await becomes(type="ExternalName", externalName="example.com")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & name.keys()
    again = await becomes(type="ClusterIP", externalName=None)
    assert again["clusterIP"]


CLUSTER_IP: Object = {"type": "ClusterIP"}
NODE_PORT: Object = {"type": "NodePort"}
BALANCER: Object = {"type": "LoadBalancer"}
NAME: Object = {"type": "ExternalName", "externalName": "example.com"}


@pytest.mark.parametrize(
    ("before", "after", "kept", "dropped"),
    [
        (CLUSTER_IP, NODE_PORT, {"clusterIP"}, set()),
        (CLUSTER_IP, BALANCER, {"clusterIP"}, set()),
        (NODE_PORT, BALANCER, {"clusterIP", "nodePort", "externalTrafficPolicy"}, set()),
        (NODE_PORT, CLUSTER_IP, {"clusterIP"}, {"nodePort", "externalTrafficPolicy"}),
        (
            NODE_PORT,
            {**BALANCER, "allocateLoadBalancerNodePorts": False},
            {"clusterIP"},
            {"nodePort"},
        ),
        (BALANCER, NODE_PORT, {"clusterIP", "nodePort"}, {"allocateLoadBalancerNodePorts"}),
        (BALANCER, CLUSTER_IP, {"clusterIP"}, {"nodePort", "allocateLoadBalancerNodePorts"}),
        (
            {**BALANCER, "externalTrafficPolicy": "Local", "loadBalancerClass": "example.com/x"},
            NODE_PORT,
            {"clusterIP", "nodePort", "externalTrafficPolicy"},
            {"healthCheckNodePort", "loadBalancerClass"},
        ),
        (
            {**BALANCER, "externalTrafficPolicy": "Local"},
            {**BALANCER, "externalTrafficPolicy": "Cluster"},
            {"clusterIP", "nodePort"},
            {"healthCheckNodePort"},
        ),
        (CLUSTER_IP, NAME, set(), {"clusterIP", "clusterIPs", "ipFamilies", "internalTrafficPolicy"}),
        (NODE_PORT, NAME, set(), {"clusterIP", "nodePort", "externalTrafficPolicy"}),
        (BALANCER, NAME, set(), {"clusterIP", "nodePort", "allocateLoadBalancerNodePorts"}),
    ],
)
async def test_what_a_change_of_type_keeps_and_frees(
    cluster: Cluster, before: Object, after: Object, kept: set[str], dropped: set[str]
) -> None:
    def flat(spec: Object) -> Object:
        return {**spec, "nodePort": spec["ports"][0].get("nodePort")}

    old = flat((await cluster.create(SERVICES, service("a", **before)))["spec"])
    if before["type"] == "LoadBalancer":
        ingress = {"loadBalancer": {"ingress": [{"ip": "127.99.0.1"}]}}
        await cluster.patch(SERVICES, "a", {"status": ingress}, subresource="status")
    changed = await cluster.patch(SERVICES, "a", {"spec": after})
    new = flat(changed["spec"])
    for key in kept:
        assert new[key] == old[key], key
    for key in dropped:
        assert not new.get(key), key
    both = before["type"] == after["type"] == "LoadBalancer"
    assert bool(changed["status"]["loadBalancer"].get("ingress")) == both
    if old["nodePort"] and not new["nodePort"]:  # free at once
        wanted = [{"port": 80, "nodePort": old["nodePort"]}]
        await cluster.create(SERVICES, service("b", type="NodePort", ports=wanted))


@pytest.mark.parametrize(("before", "after"), [("None", "127.96.0.5"), ("127.96.0.5", "None")])
async def test_a_service_stays_headless_or_not(cluster: Cluster, before: str, after: str) -> None:
    await cluster.create(SERVICES, service("a", clusterIP=before, selector={"a": "b"}))
    message = await refusal(cluster.patch(SERVICES, "a", {"spec": {"clusterIP": after, "clusterIPs": None}}))
    assert "may not change once set" in message
    # By way of ExternalName it may.
    await cluster.patch(SERVICES, "a", {"spec": {**NAME, "clusterIP": None, "clusterIPs": None}})
    patch = {"spec": {"type": "ClusterIP", "externalName": None, "clusterIP": after}}
    assert (await cluster.patch(SERVICES, "a", patch))["spec"]["clusterIPs"] == [after]


async def test_headless(cluster: Cluster) -> None:
    spec = (await cluster.create(SERVICES, service("a", clusterIP="None", selector={"a": "b"})))["spec"]
    assert (spec["clusterIPs"], spec["ipFamilies"]) == (["None"], ["IPv4"])
    spec = (await cluster.create(SERVICES, service("b", clusterIP="None")))["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
            "this cluster is not configured for dual-stack services",
        ),
        (
            {"ipFamilies": ["IPv6"]},
            'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ),
    ],
)
async def test_the_cluster_has_ipv4_alone(cluster: Cluster, spec: Object, message: str) -> None:
    assert await refusal(cluster.create(SERVICES, service("a", **spec))) == (
        f'Service "a" is invalid: {message}'
    )


def test_reserved_addresses_go_only_to_who_names_them() -> None:
    taken: set[str] = set()
    for _ in range(5):  # .1 to .6 without .5
        spec: Object = {"type": "ClusterIP", "ports": []}
        assert allocate(spec, {}, taken.__contains__, SMALL) == []
        taken.add(spec["clusterIP"])
    assert taken == {f"127.96.0.{n}" for n in (1, 2, 3, 4, 6)}
    with pytest.raises(StatusError, match="range is full"):
        allocate({"type": "ClusterIP"}, {}, taken.__contains__, SMALL)
    spec = {"type": "ClusterIP", "clusterIPs": ["127.96.0.5"]}
    assert allocate(spec, {}, taken.__contains__, SMALL) == []


def test_looking_for_a_free_number_takes_few_steps() -> None:
    """With half of the range taken some 2 are looked at, and not more in a larger range."""
    ranges = Ranges(IPv4Network("127.96.0.0/16"), range(30000, 32768))
    asked: list[str] = []

    def taken(value: str) -> bool:
        asked.append(value)
        return int(value.rpartition(".")[2]) % 2 == 0

    for _ in range(100):
        assert allocate({"type": "NodePort", "ports": [{"port": 80}]}, {}, taken, ranges) == []
    assert len(asked) <= 100 * 2 * 2


def test_node_ports_run_out() -> None:
    ports = [{"port": n, "protocol": "TCP"} for n in range(4)]
    with pytest.raises(StatusError, match="failed to allocate a nodePort: range is full"):
        allocate({"type": "NodePort", "clusterIP": "None", "ports": ports}, {}, _nothing, SMALL)


def test_tcp_and_udp_of_one_port_share_a_node_port() -> None:
    ports: list[Object] = [{"port": 53, "protocol": p} for p in ("TCP", "UDP", "SCTP")]
    ports.append({"port": 80, "protocol": "TCP"})
    allocate({"type": "NodePort", "ports": ports}, {}, _nothing, SMALL)
    numbers = [port["nodePort"] for port in ports]
    assert len(set(numbers[:3])) == 1
    assert numbers[3] != numbers[0]


async def test_a_node_port_beside_none_allocated_is_held_all_the_same(cluster: Cluster) -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    balancer = service("a", type="LoadBalancer", allocateLoadBalancerNodePorts=False, ports=ports)
    await cluster.create(SERVICES, balancer)
    message = await refusal(cluster.create(SERVICES, {**balancer, "metadata": {"name": "b"}}))
    assert "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated" in message


def test_a_load_balancer_may_do_without_node_ports() -> None:
    spec: Object = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}
    allocate(spec, {}, _nothing, SMALL)
    assert "nodePort" not in spec["ports"][0]
