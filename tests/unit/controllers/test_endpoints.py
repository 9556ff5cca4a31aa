"""Endpoints and EndpointSlices from Services and pods."""

from __future__ import annotations

from typing import Any

from podyard.controllers.endpoints.mirror import groups_of, is_mirrored, template_of
from podyard.controllers.endpoints.pods import endpoints_of
from podyard.controllers.endpoints.slices import CAPACITY, Changes, Groups, Template, reconcile
from podyard.controllers.endpoints.subsets import endpoints_for, subsets_of
from podyard.controllers.endpoints.trigger import TriggerTimes
from tests.unit.controllers.objects import NOW, Object, node, pod, service

HTTP = {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}
TEMPLATE = Template("default", "web-", {"kubernetes.io/service-name": "web"}, {"uid": "uid-svc"})


def endpoints(svc: Object, *pods: Object, nodes: list[Object] | None = None) -> list[Object]:
    known = {n["metadata"]["name"]: n for n in nodes or [node()]}
    groups = endpoints_of(svc, pods, known.get)
    return [endpoint for group in groups.values() for endpoint in group]


def test_conditions() -> None:
    table: list[tuple[dict[str, Any], tuple[bool, bool, bool]]] = [
        ({}, (True, True, False)),
        ({"ready": False}, (False, False, False)),
        ({"terminating": True}, (False, True, True)),
        ({"terminating": True, "ready": False}, (False, False, True)),
    ]
    for state, expected in table:
        (endpoint,) = endpoints(service(), pod("a", ip="127.244.1.1", **state))
        conditions = endpoint["conditions"]
        assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == expected


def test_publish_not_ready_addresses_makes_everything_ready() -> None:
    svc = service(publishNotReadyAddresses=True)
    (endpoint,) = endpoints(svc, pod("a", ip="127.244.1.1", ready=False, terminating=True))
    assert endpoint["conditions"] == {"ready": True, "serving": False, "terminating": True}


def test_pods_that_are_no_endpoints() -> None:
    pods = [
        pod("finished", ip="127.244.1.1", phase="Succeeded"),
        pod("no-address"),
        pod("lost", ip="127.244.1.2", node="gone"),
    ]
    assert endpoints(service(), *pods) == []


def test_an_endpoint_tells_pod_node_zone_and_hostname() -> None:
    where = node()
    where["metadata"]["labels"]["topology.kubernetes.io/zone"] = "z1"
    member = pod("a", ip="127.244.1.1", hostname="a", subdomain="web")
    (endpoint,) = endpoints(service(), member, nodes=[where])
    assert endpoint["targetRef"] == {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-a"}
    assert (endpoint["nodeName"], endpoint["zone"], endpoint["hostname"]) == ("node1", "z1", "a")


def test_traffic_distribution_gives_hints() -> None:
    where = node()
    where["metadata"]["labels"]["topology.kubernetes.io/zone"] = "z1"
    for_zone, for_node = {"forZones": [{"name": "z1"}]}, {"forNodes": [{"name": "node1"}]}
    table: list[tuple[str, Object, bool, Object | None]] = [
        ("", where, True, None),
        ("PreferClose", where, True, for_zone),
        ("PreferSameZone", where, True, for_zone),
        ("PreferSameNode", where, True, {**for_zone, **for_node}),
        ("PreferSameZone", node(), True, None),
        ("PreferSameNode", node(), True, for_node),
        ("PreferSameNode", where, False, None),
    ]
    for distribution, host, ready, expected in table:
        svc = service()
        if distribution:
            svc["spec"]["trafficDistribution"] = distribution
        (endpoint,) = endpoints(svc, pod("a", ip="127.244.1.1", ready=ready), nodes=[host])
        assert endpoint.get("hints") == expected, distribution


def test_named_target_ports_differ_by_pod() -> None:
    def with_port(name: str, ip: str, number: int, protocol: str = "TCP") -> Object:
        ports = [{"name": "web", "containerPort": number, "protocol": protocol}]
        return pod(name, ip=ip, containers=[{"name": "c", "ports": ports}])

    pods = [
        with_port("a", "127.244.1.1", 8080),
        with_port("b", "127.244.1.2", 9090),
        with_port("c", "127.244.1.3", 8080, "UDP"),
    ]
    groups = endpoints_of(service(HTTP), pods, lambda _: node())
    assert list(groups) == [
        ("IPv4", (("http", "TCP", 8080, ""),)),
        ("IPv4", (("http", "TCP", 9090, ""),)),
        ("IPv4", ()),
    ]


# Fitting into slices.

PORT80 = ("IPv4", (("", "TCP", 80, ""),))


def made(count: int, first: int = 0) -> list[Object]:
    return [
        {"addresses": [f"127.244.{i // 250}.{i % 250 + 1}"], "conditions": {"ready": True}}
        for i in range(first, first + count)
    ]


def stored(changes: Changes, existing: list[Object] | None = None) -> list[Object]:
    """The slices after these changes."""
    slices = {s["metadata"]["name"]: s for s in existing or []}
    for created in changes.create:
        name = f"web-{len(slices)}"
        slices[name] = {**created, "metadata": {**created["metadata"], "name": name}}
    for updated in changes.update:
        assert updated["metadata"]["name"] in slices
        slices[updated["metadata"]["name"]] = updated
    for deleted in changes.delete:
        del slices[deleted["metadata"]["name"]]
    return list(slices.values())


def fit(groups: Groups, existing: list[Object], *, placeholder: bool = True) -> Changes:
    return reconcile(TEMPLATE, groups, existing, placeholder=placeholder)


def addresses(slices: list[Object]) -> list[str]:
    return sorted(e["addresses"][0] for s in slices for e in s["endpoints"])


def test_slices_hold_at_most_a_hundred() -> None:
    slices = stored(fit({PORT80: made(250)}, []))
    assert [len(s["endpoints"]) for s in slices] == [100, 100, 50]
    assert slices[0]["ports"] == [{"name": "", "protocol": "TCP", "port": 80}]
    assert fit({PORT80: made(250)}, slices) == Changes()


def test_one_change_writes_one_slice() -> None:
    slices = stored(fit({PORT80: made(250)}, []))
    changes = fit({PORT80: made(249)}, slices)
    assert (len(changes.create), len(changes.update), len(changes.delete)) == (0, 1, 0)
    # A new endpoint goes where something changes anyway, or where there is room.
    wanted = made(9) + made(240, 10) + made(1, 300)
    changes = fit({PORT80: wanted}, slices)
    assert (len(changes.create), len(changes.update), len(changes.delete)) == (0, 1, 0)
    assert addresses(stored(changes, slices)) == sorted(e["addresses"][0] for e in wanted)


def test_emptied_slices_go() -> None:
    slices = stored(fit({PORT80: made(250)}, []))
    changes = fit({PORT80: made(100, 100)}, slices)
    assert len(changes.delete) == 2


def test_full_slices_are_never_overfilled() -> None:
    slices = stored(fit({PORT80: made(CAPACITY)}, []))
    after = stored(fit({PORT80: made(CAPACITY + 1)}, slices), slices)
    assert sorted(len(s["endpoints"]) for s in after) == [1, CAPACITY]


def test_a_service_without_endpoints_keeps_one_empty_slice_of_the_same_name() -> None:
    slices = stored(fit({}, []))
    assert [(s["endpoints"], s["ports"]) for s in slices] == [([], [])]
    assert fit({}, slices) == Changes()
    with_pods = stored(fit({PORT80: made(2)}, slices), slices)
    assert [s["metadata"]["name"] for s in with_pods] == [slices[0]["metadata"]["name"]]
    assert len(with_pods[0]["endpoints"]) == 2
    emptied = stored(fit({}, with_pods), with_pods)
    assert [(s["metadata"]["name"], s["endpoints"]) for s in emptied] == [(slices[0]["metadata"]["name"], [])]


def test_a_mirror_without_endpoints_has_no_slice() -> None:
    slices = stored(fit({PORT80: made(1)}, []))
    assert len(fit({}, slices, placeholder=False).delete) == 1


def test_labels_that_somebody_changed_are_put_right() -> None:
    slices = stored(fit({PORT80: made(1)}, []))
    slices[0]["metadata"]["labels"] = {}
    (updated,) = fit({PORT80: made(1)}, slices).update
    assert updated["metadata"]["labels"] == TEMPLATE.labels


# Endpoints.


def test_subsets() -> None:
    pods = [
        pod("b", ip="127.244.1.10"),
        pod("a", ip="127.244.1.9"),
        pod("c", ip="127.244.1.2", ready=False),
        pod("d", ip="127.244.1.3", terminating=True),
    ]
    (subset,) = subsets_of(service(), pods)
    assert [a["ip"] for a in subset["addresses"]] == ["127.244.1.9", "127.244.1.10"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["127.244.1.2"]
    assert subset["ports"] == [{"port": 80, "protocol": "TCP"}]


def test_headless_service_without_ports() -> None:
    svc = service(clusterIP="None")
    svc["spec"]["ports"] = []
    (subset,) = subsets_of(svc, [pod("a", ip="127.244.1.1")])
    assert "ports" not in subset
    written = endpoints_for(svc, [subset], None, "")
    assert written is not None
    assert written["metadata"]["labels"] == {
        "tier": "front",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
        "service.kubernetes.io/headless": "",
    }


def test_endpoints_are_written_only_when_they_change() -> None:
    svc = service()
    subsets = subsets_of(svc, [pod("a", ip="127.244.1.1")])
    written = endpoints_for(svc, subsets, None, "2027-01-01T00:00:00Z")
    assert written is not None
    annotations = written["metadata"]["annotations"]
    assert annotations == {"endpoints.kubernetes.io/last-change-trigger-time": "2027-01-01T00:00:00Z"}
    assert endpoints_for(svc, subsets, written, "") is None
    emptied = endpoints_for(svc, [], written, "")
    assert emptied is not None
    assert emptied["subsets"] == []


def test_more_than_a_thousand_addresses_are_truncated() -> None:
    svc = service()
    ready = [pod(f"r{i}", ip=f"127.244.{i // 250}.{i % 250 + 1}") for i in range(990)]
    not_ready = [pod(f"n{i}", ip=f"127.245.0.{i + 1}", ready=False) for i in range(20)]
    written = endpoints_for(svc, subsets_of(svc, ready + not_ready), None, "")
    assert written is not None
    (subset,) = written["subsets"]
    assert (len(subset["addresses"]), len(subset["notReadyAddresses"])) == (990, 10)
    assert written["metadata"]["annotations"] == {"endpoints.kubernetes.io/over-capacity": "truncated"}


def test_trigger_time_is_that_of_the_first_change_since() -> None:
    times, svc = TriggerTimes(), service()
    assert times.changed_at(svc, []) == svc["metadata"]["creationTimestamp"]
    assert times.changed_at(svc, []) == ""
    pods = [pod("a", ready=NOW - 20), pod("b", ready=NOW - 10)]
    assert times.changed_at(svc, pods) == "2027-01-15T07:59:40Z"
    assert times.changed_at(svc, pods) == ""


# Mirroring.


def by_hand() -> Object:
    ports = [{"port": 80, "protocol": "TCP"}]
    subset = {
        "addresses": [{"ip": "127.0.1.1"}],
        "notReadyAddresses": [{"ip": "127.0.1.2"}],
        "ports": ports,
    }
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"a": "b"}},
        "subsets": [subset],
    }


def test_mirror() -> None:
    endpoints, plain = by_hand(), service()
    plain["spec"]["selector"] = None
    assert is_mirrored(endpoints, plain)
    assert not is_mirrored(endpoints, service())
    assert not is_mirrored(endpoints, None)
    skipped = by_hand()
    skipped["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] = "true"
    assert not is_mirrored(skipped, plain)
    assert groups_of(endpoints) == {
        PORT80: [
            {"addresses": ["127.0.1.1"], "conditions": {"ready": True}},
            {"addresses": ["127.0.1.2"], "conditions": {"ready": False}},
        ]
    }
    assert template_of(endpoints).labels == {
        "a": "b",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
