from __future__ import annotations

from typing import Any

import pytest

from podyard.proxy.table import Frontend, Node, Rule, Table, rules_of

from .objects import Object, endpoint, service, slice_of

NODE = Node("node1", ("127.200.10.1",))
ONE = slice_of("web", endpoint("127.200.1.1"))
CLUSTER = "127.200.96.1:80/TCP"


def listening(svc: Object, *slices: Object) -> dict[str, list[str]]:
    """{"address:port/protocol": ["address:port", ...]}"""
    rules = rules_of(svc, slices, NODE)
    return {str(where): [f"{a}:{p}" for a, p in rule.endpoints] for where, rule in rules.items()}


def test_cluster_ip() -> None:
    assert listening(service(), ONE) == {CLUSTER: ["127.200.1.1:8080"]}


@pytest.mark.parametrize(
    "spec",
    [
        {"clusterIP": "None"},
        {"clusterIP": ""},
        {"type": "ExternalName", "clusterIP": "", "externalName": "example.com"},
        {"ports": [{"port": 80, "protocol": "SCTP"}]},
        {"ports": [{"port": 80, "protocol": "TCP", "name": "other"}]},
    ],
)
def test_nothing_to_listen_on(spec: dict[str, Any]) -> None:
    assert listening(service(**spec), ONE) == {}


def test_without_endpoints_there_is_no_listener() -> None:
    assert listening(service()) == {}
    assert listening(service(), slice_of("web")) == {}


READY = endpoint("127.200.1.1", ready=True)
UNREADY = endpoint("127.200.1.2", ready=False, serving=False, terminating=False)
DRAINING = endpoint("127.200.1.3", ready=False, serving=True, terminating=True)
DYING = endpoint("127.200.1.4", ready=False, serving=False, terminating=True)
# Without conditions an endpoint counts as ready (discovery/v1).
UNKNOWN: Object = {"addresses": ["127.200.1.5"]}


@pytest.mark.parametrize(
    ("endpoints", "used"),
    [
        ([READY, UNREADY, DRAINING, DYING], ["127.200.1.1:8080"]),
        ([UNREADY, DRAINING, DYING], ["127.200.1.3:8080"]),
        ([UNREADY, DYING], None),
        ([UNKNOWN], ["127.200.1.5:8080"]),
    ],
)
def test_ready_endpoints_then_those_that_drain(endpoints: list[Object], used: list[str] | None) -> None:
    assert listening(service(), slice_of("web", *endpoints)).get(CLUSTER) == used


def test_every_port_and_protocol_by_name() -> None:
    svc = service(
        ports=[
            {"name": "http", "port": 80, "protocol": "TCP"},
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ]
    )
    ports = [
        {"name": "http", "port": 8080, "protocol": "TCP"},
        {"name": "dns", "port": 5353, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 5354, "protocol": "TCP"},
    ]
    assert listening(svc, slice_of("web", READY, ports=ports)) == {
        "127.200.96.1:80/TCP": ["127.200.1.1:8080"],
        "127.200.96.1:53/UDP": ["127.200.1.1:5353"],
        "127.200.96.1:53/TCP": ["127.200.1.1:5354"],
    }


def test_slices_are_joined_each_with_its_own_port() -> None:
    second = slice_of("web", endpoint("127.200.1.9"), ports=[{"port": 9090, "protocol": "TCP"}])
    assert listening(service(), ONE, second, ONE) == {CLUSTER: ["127.200.1.1:8080", "127.200.1.9:9090"]}


def test_node_port_external_ip_and_load_balancer() -> None:
    svc = service(
        type="LoadBalancer",
        ports=[{"port": 80, "nodePort": 30080}],
        externalIPs=["127.200.50.1"],
        status={
            "loadBalancer": {
                "ingress": [
                    {"ip": "127.200.99.1"},
                    {"ip": "127.200.99.2", "ipMode": "Proxy"},
                    {"hostname": "x"},
                ]
            }
        },
    )
    assert list(listening(svc, ONE)) == [
        CLUSTER,
        "127.200.10.1:30080/TCP",
        "127.200.50.1:80/TCP",
        "127.200.99.1:80/TCP",
    ]


HERE = endpoint("127.200.1.1", "node1")
THERE = endpoint("127.200.2.1", "node2")


@pytest.mark.parametrize(
    ("spec", "endpoints", "cluster", "node_port"),
    [
        ({}, [HERE, THERE], 2, 2),
        ({"internalTrafficPolicy": "Local"}, [HERE, THERE], 1, 2),
        ({"externalTrafficPolicy": "Local"}, [HERE, THERE], 2, 1),
        ({"externalTrafficPolicy": "Local"}, [THERE], 1, 0),
        ({"internalTrafficPolicy": "Local"}, [THERE], 0, 1),
    ],
)
def test_traffic_policies(
    spec: dict[str, str], endpoints: list[Object], cluster: int, node_port: int
) -> None:
    svc = service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}], **spec)
    found = listening(svc, slice_of("web", *endpoints))
    assert len(found.get(CLUSTER, [])) == cluster
    assert len(found.get("127.200.10.1:30080/TCP", [])) == node_port


def test_local_policy_uses_draining_endpoints_of_this_node() -> None:
    slices = slice_of("web", THERE, DRAINING)
    assert listening(service(internalTrafficPolicy="Local"), slices) == {CLUSTER: ["127.200.1.3:8080"]}


def hinted(number: int, node: str, zone: str = "", for_node: bool = False) -> Object:
    hints: Object = {"forNodes": [{"name": node}]} if for_node else {}
    if zone:
        hints["forZones"] = [{"name": zone}]
    return {**endpoint(f"127.200.1.{number}", node), "hints": hints}


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ([hinted(1, "node1", "a"), hinted(2, "node2", "b"), hinted(3, "node3", "a")], [1, 3]),
        ([hinted(2, "node2", "b"), hinted(3, "node3", "c")], [2, 3]),  # none for here: all
        ([hinted(1, "node1", "a"), hinted(2, "node2")], [1, 2]),  # one without hints: all
        ([hinted(1, "node1", "a", True), hinted(3, "node3", "a", True)], [1]),
        ([hinted(2, "node2", "b", True), hinted(3, "node3", "a", True)], [3]),  # none on this node: its zone
        ([hinted(2, "node2", "b", True), hinted(3, "node3", "c", True)], [2, 3]),
        ([{**DRAINING, "hints": {}}, hinted(1, "node1", "a"), hinted(2, "node2", "b")], [1]),
    ],
)
def test_hints(endpoints: list[Object], expected: list[int]) -> None:
    here = Node("node1", ("127.200.10.1",), zone="a")
    (rule,) = rules_of(service(), [slice_of("web", *endpoints)], here).values()
    assert [address for address, _ in rule.endpoints] == [f"127.200.1.{number}" for number in expected]


def test_a_node_without_a_zone_reaches_all() -> None:
    pieces = [slice_of("web", hinted(1, "node1", "a"), hinted(2, "node2", "b"))]
    (rule,) = rules_of(service(), pieces, NODE).values()
    assert len(rule.endpoints) == 2


def test_hints_are_no_matter_to_a_local_policy() -> None:
    here = Node("node1", ("127.200.10.1",), zone="a")
    local = service(internalTrafficPolicy="Local")
    pieces = [slice_of("web", hinted(1, "node1", "b"), hinted(2, "node2", "a"))]
    (rule,) = rules_of(local, pieces, here).values()
    assert rule.endpoints == (("127.200.1.1", 8080),)


def test_both_ip_families() -> None:
    svc = service(clusterIPs=["127.200.96.1", "fd00::1"])
    six = slice_of("web", endpoint("fd00:1::1"), family="IPv6")
    assert listening(svc, ONE, six) == {CLUSTER: ["127.200.1.1:8080"], "[fd00::1]:80/TCP": ["fd00:1::1:8080"]}


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 0),
        ({"sessionAffinity": "None"}, 0),
        ({"sessionAffinity": "ClientIP"}, 10800),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 7}}}, 7),
    ],
)
def test_session_affinity(spec: dict[str, Any], seconds: int) -> None:
    (rule,) = rules_of(service(**spec), [ONE], NODE).values()
    assert rule.affinity_seconds == seconds


A, B = ("default", "a"), ("default", "b")
WHERE = Frontend("TCP", "127.200.50.1", 80)


def rule(service: tuple[str, str], *ports: int) -> Rule:
    return Rule(service, "", "ExternalIP", tuple(("127.200.1.1", port) for port in ports))


def test_table_gives_only_differences() -> None:
    table = Table()
    other = Frontend("TCP", "127.200.50.1", 81)
    first = table.update(A, {WHERE: rule(A, 1), other: rule(A, 1)})
    assert (first.removed, set(first.set)) == ([], {WHERE, other})
    same = table.update(A, {WHERE: rule(A, 1), other: rule(A, 1)})
    assert (same.removed, same.set) == ([], {})
    changed = table.update(A, {WHERE: rule(A, 1, 2)})
    assert (changed.removed, changed.set) == ([other], {WHERE: rule(A, 1, 2)})
    gone = table.update(A, {})
    assert (gone.removed, gone.set) == ([WHERE], {})


def test_table_first_service_holds_a_frontend_the_second_takes_over() -> None:
    table = Table()
    table.update(A, {WHERE: rule(A, 1)})
    second = table.update(B, {WHERE: rule(B, 2)})
    assert (second.set, second.contested) == ({}, [(WHERE, A)])
    assert table.update(B, {WHERE: rule(B, 3)}).set == {}
    gone = table.update(A, {})
    assert (gone.removed, gone.set) == ([], {WHERE: rule(B, 3)})
    assert table.update(B, {}).removed == [WHERE]


@pytest.mark.parametrize(
    ("client", "admitted"), [("127.1.2.3", True), ("192.0.2.1", True), ("10.0.0.1", False), ("::1", False)]
)
def test_sources_of_a_load_balancer(client: str, admitted: bool) -> None:
    spec: Object = {"type": "LoadBalancer", "loadBalancerSourceRanges": ["127.0.0.0/8 ", "192.0.2.1/32"]}
    status = {"loadBalancer": {"ingress": [{"ip": "127.200.99.1"}]}}
    rules = {str(at): rule for at, rule in rules_of(service(**spec, status=status), [ONE], NODE).items()}
    assert rules["127.200.99.1:80/TCP"].admits(client) is admitted
    assert rules[CLUSTER].admits(client), "from within the cluster all may"


@pytest.mark.parametrize(
    ("policy", "endpoints", "expected"),
    [
        ("Local", [READY, UNREADY, endpoint("127.200.2.1", "node2")], ["127.200.1.1:0"]),
        ("Local", [endpoint("127.200.2.1", "node2")], []),
        ("Cluster", [READY], None),
    ],
)
def test_health_checks(policy: str, endpoints: list[Object], expected: list[str] | None) -> None:
    spec: Object = {"type": "LoadBalancer", "externalTrafficPolicy": policy, "healthCheckNodePort": 30500}
    assert listening(service(**spec), slice_of("web", *endpoints)).get("127.200.10.1:30500/TCP") == expected
