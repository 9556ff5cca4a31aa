"""Address ranges, conditions, taints and evictions of nodes, and orphaned pods."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import ENDPOINTSLICES, NODES, SERVICES
from podyard.api.times import to_rfc3339
from podyard.controllers.nodes.dns import desired_slice
from podyard.controllers.nodes.health import evicted_in, silent_conditions, wanted_taints
from podyard.controllers.nodes.ipam import choose
from podyard.controllers.nodes.podgc import plan
from tests.unit.controllers.control_plane import control_plane
from tests.unit.controllers.objects import NOW, node, pod

CLUSTER = ip_network("127.244.0.0/16")


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("node1", [], "127.244.1.0/24"),
        ("node3", [], "127.244.3.0/24"),
        ("worker", [], "127.244.1.0/24"),
        ("worker", ["127.244.1.0/24", "127.244.2.0/24"], "127.244.3.0/24"),
        ("node1", ["127.244.1.0/24"], "127.244.2.0/24"),
        ("node0", [], "127.244.1.0/24"),
        ("node999", [], "127.244.1.0/24"),
        ("worker", ["127.244.0.0/22"], "127.244.4.0/24"),
        ("worker", ["10.0.0.0/24"], "127.244.1.0/24"),
    ],
)
def test_choose_subnet(name: str, taken: list[str], expected: str) -> None:
    assert str(choose(CLUSTER, 24, taken, name)) == expected


def test_no_subnet_left() -> None:
    small = ip_network("127.244.0.0/22")
    assert choose(small, 24, [f"127.244.{i}.0/24" for i in (1, 2, 3)], "node9") is None


def test_silent_node() -> None:
    changed = silent_conditions(node(), NOW)
    by_type = {c["type"]: (c["status"], c["reason"], c["message"]) for c in changed}
    stopped = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    never = ("Unknown", "NodeStatusNeverUpdated", "Kubelet never posted node status.")
    assert by_type == {
        "Ready": stopped,
        "MemoryPressure": never,
        "DiskPressure": never,
        "PIDPressure": never,
    }
    judged = node()
    judged["status"]["conditions"] = changed
    assert silent_conditions(judged, NOW + 60) == []


NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


def taints(given: dict[str, Any], *, evict: bool = True) -> list[tuple[str, str]]:
    return [(t["key"], t["effect"]) for t in wanted_taints(given, NOW, evict=evict)]


def test_taints_follow_conditions() -> None:
    assert taints(node()) == []
    assert taints(node(ready="False")) == [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    assert taints(node(ready="Unknown")) == [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    assert taints(node(ready="Unknown"), evict=False) == [(UNREACHABLE, "NoSchedule")]
    assert taints(node(unschedulable=True)) == [("node.kubernetes.io/unschedulable", "NoSchedule")]


def test_other_taints_stay_and_ours_go_when_ready() -> None:
    own = {"key": "dedicated", "value": "gpu", "effect": "NoExecute"}
    given = node(taints=[own, {"key": NOT_READY, "effect": "NoSchedule"}])
    assert wanted_taints(given, NOW, evict=True) == [own]


def test_a_taint_keeps_the_time_at_which_it_was_added() -> None:
    added = {"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": to_rfc3339(NOW - 100)}
    given = node(ready="Unknown", taints=[added])
    assert added in wanted_taints(given, NOW, evict=True)


TAINT = {"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": to_rfc3339(NOW - 100)}
FOREVER = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], 0.0),
        ([{"key": "other", "operator": "Exists"}], 0.0),
        ([FOREVER], None),
        ([{"operator": "Exists"}], None),
        ([{**FOREVER, "tolerationSeconds": 300}], 200.0),
        ([{**FOREVER, "tolerationSeconds": 60}], 0.0),
        ([{**FOREVER, "tolerationSeconds": 300}, {**FOREVER, "tolerationSeconds": 150}], 50.0),
    ],
)
def test_eviction(tolerations: list[dict[str, Any]], expected: float | None) -> None:
    assert evicted_in(pod("a", tolerations=tolerations), [TAINT], NOW) == expected


def test_no_taint_no_eviction() -> None:
    assert evicted_in(pod("a"), [], NOW) is None


def test_pods_to_collect() -> None:
    fresh, lost = pod("fresh", node="just-gone"), pod("lost", node="gone")
    unscheduled = pod("unscheduled", node="", terminating=True)
    pods = [pod("fine"), fresh, lost, unscheduled]
    doomed = plan(pods, {"gone": NOW - 40, "just-gone": NOW - 39}, NOW)
    assert [(d.pod, bool(d.reason)) for d in doomed] == [(lost, True), (unscheduled, False)]


def test_oldest_finished_pods_go_first() -> None:
    pods = [pod(f"p{i}", phase="Failed", created=NOW - i) for i in range(4)]
    assert [d.pod["metadata"]["name"] for d in plan(pods, {}, NOW, threshold=2)] == ["p3", "p2"]


def with_address(name: str, address: str) -> dict[str, Any]:
    made = node()
    made["metadata"] = {**made["metadata"], "name": name}
    made["status"] = {"addresses": [{"type": "InternalIP", "address": address}] if address else []}
    return made


def test_every_node_has_its_own_dns_server() -> None:
    service = {"metadata": {"uid": "u"}}
    nodes = [with_address("b", "10.0.0.2"), with_address("a", "10.0.0.1"), with_address("new", "")]
    made = desired_slice(service, nodes, 10053)
    assert [(e["nodeName"], e["addresses"]) for e in made["endpoints"]] == [
        ("a", ["10.0.0.1"]),
        ("b", ["10.0.0.2"]),
    ]
    assert {(p["name"], p["port"], p["protocol"]) for p in made["ports"]} == {
        ("dns", 10053, "UDP"),
        ("dns-tcp", 10053, "TCP"),
    }


async def test_dns_servers_follow_the_nodes(tmp_path: Path) -> None:
    async with control_plane(tmp_path, "--node-dns-port=10053", nodes=0) as plane:
        ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
        spec = {"clusterIP": "127.96.0.10", "ports": ports}
        service = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": spec}
        await plane.client.create(SERVICES, service)

        def of_nodes(slices: list[Any]) -> list[str]:
            found = [s for s in slices if s["metadata"]["name"] == "kube-dns-nodes"]
            return [e["nodeName"] for s in found for e in s.get("endpoints") or ()]

        await plane.client.create(NODES, with_address("a", "10.0.0.1"))
        await plane.client.create(NODES, with_address("b", "10.0.0.2"))
        await plane.until(ENDPOINTSLICES, lambda s: of_nodes(s) == ["a", "b"], "kube-system")
        await plane.until(
            SERVICES, lambda s: s[0]["spec"].get("internalTrafficPolicy") == "Local", "kube-system"
        )
        await plane.client.delete(NODES, "a")
        await plane.until(ENDPOINTSLICES, lambda s: of_nodes(s) == ["b"], "kube-system")
        await plane.client.delete(ENDPOINTSLICES, "kube-dns-nodes", "kube-system")
        await plane.until(ENDPOINTSLICES, lambda s: of_nodes(s) == ["b"], "kube-system")
