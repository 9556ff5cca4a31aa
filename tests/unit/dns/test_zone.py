from __future__ import annotations

from typing import Any

import pytest

from podyard.dns.records import Records, Srv, records_of, reverse_name
from podyard.dns.types import AAAA, CNAME, NS, PTR, SOA, SRV, TXT, A
from podyard.dns.zone import EMPTY, NOTHING, Found, Zone

from .objects import HTTP, Object, endpoint, external, service, slice_of

DOMAIN = "cluster.local"
WEB = "web.default.svc.cluster.local"


def records(svc: Object, *slices: Object) -> Records:
    return records_of(svc, slices, DOMAIN)


def test_cluster_ip() -> None:
    assert records(service("web", "127.96.3.4")) == {
        WEB: {A: ("127.96.3.4",)},
        "4.3.96.127.in-addr.arpa": {PTR: (WEB,)},
        f"_http._tcp.{WEB}": {SRV: (Srv(0, 100, 80, WEB),)},
    }


def test_endpoints_of_a_cluster_ip_service_have_names() -> None:
    found = records(service("web", "127.96.3.4"), slice_of("web", endpoint("127.244.1.2")))
    assert found[f"127-244-1-2.{WEB}"] == {A: ("127.244.1.2",)}
    assert found["2.1.244.127.in-addr.arpa"] == {PTR: (f"127-244-1-2.{WEB}",)}
    assert found[WEB] == {A: ("127.96.3.4",)}


def test_unnamed_ports_have_no_srv() -> None:
    svc = service("web", "127.96.3.4", ports=[{"port": 80, "protocol": "TCP"}])
    assert set(records(svc)) == {WEB, "4.3.96.127.in-addr.arpa"}


def test_headless() -> None:
    found = records(
        service("web"),
        slice_of("web", endpoint("127.244.1.2", "web-0"), endpoint("127.244.2.2")),
    )
    assert found == {
        WEB: {A: ("127.244.1.2", "127.244.2.2")},
        f"web-0.{WEB}": {A: ("127.244.1.2",)},
        f"127-244-2-2.{WEB}": {A: ("127.244.2.2",)},
        f"_http._tcp.{WEB}": {
            SRV: (Srv(0, 50, 8080, f"web-0.{WEB}"), Srv(0, 50, 8080, f"127-244-2-2.{WEB}"))
        },
        "2.1.244.127.in-addr.arpa": {PTR: (f"web-0.{WEB}",)},
        "2.2.244.127.in-addr.arpa": {PTR: (f"127-244-2-2.{WEB}",)},
    }


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [({}, ("127.244.1.2",)), ({"publishNotReadyAddresses": True}, ("127.244.1.2", "127.244.1.3"))],
)
def test_headless_ready_endpoints(spec: dict[str, Any], addresses: tuple[str, ...]) -> None:
    endpoints = slice_of("web", endpoint("127.244.1.2"), endpoint("127.244.1.3", ready=False))
    assert records(service("web", **spec), endpoints)[WEB] == {A: addresses}


def test_headless_without_ready_endpoints_does_not_exist() -> None:
    assert records(service("web"), slice_of("web", endpoint("127.244.1.3", ready=False))) == {}


def test_both_families() -> None:
    svc = service("web", "127.96.3.4", clusterIPs=["127.96.3.4", "fd00::4"])
    assert records(svc)[WEB] == {A: ("127.96.3.4",), AAAA: ("fd00::4",)}
    assert records(svc)[reverse_name("fd00::4")] == {PTR: (WEB,)}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("www.Example.com.", {"out.default.svc.cluster.local": {CNAME: ("www.example.com",)}}),
        ("192.0.2.1", {}),
        ("", {}),
    ],
)
def test_external_name(target: str, expected: Records) -> None:
    assert records(external("out", target)) == expected


def zone(*services: Object) -> Zone:
    made = Zone(DOMAIN, "127.96.0.10")
    made.add_namespace("default")
    for svc in services:
        made.load(("default", svc["metadata"]["name"]), svc)
    return made


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (WEB, Found(True, {A: ("127.96.3.4",)})),
        (f"_http._tcp.{WEB}", Found(True, {SRV: (Srv(0, 100, 80, WEB),)})),
        (f"_tcp.{WEB}", EMPTY),
        (f"_udp.{WEB}", NOTHING),
        ("default.svc.cluster.local", EMPTY),
        ("other.svc.cluster.local", NOTHING),
        ("default.pod.cluster.local", EMPTY),
        ("other.pod.cluster.local", NOTHING),
        ("svc.cluster.local", EMPTY),
        ("pod.cluster.local", EMPTY),
        ("dns.cluster.local", EMPTY),
        ("xsvc.cluster.local", NOTHING),
        ("none.default.svc.cluster.local", NOTHING),
        (f"{WEB}.default.svc.cluster.local", NOTHING),
        (f"a.b.{WEB}", NOTHING),
        ("ns.dns.cluster.local", Found(True, {A: ("127.96.0.10",)})),
        ("dns-version.cluster.local", Found(True, {TXT: ("1.1.0",)})),
        ("127-244-1-2.default.pod.cluster.local", Found(True, {A: ("127.244.1.2",)})),
        ("fd00--1.default.pod.cluster.local", Found(True, {AAAA: ("fd00::1",)})),
        ("127-244-1-2.other.pod.cluster.local", NOTHING),
        ("127-244-1-256.default.pod.cluster.local", NOTHING),
        ("x.127-244-1-2.default.pod.cluster.local", NOTHING),
        ("pod-1.default.pod.cluster.local", NOTHING),
        ("4.3.96.127.in-addr.arpa", Found(True, {PTR: (WEB,)})),
    ],
)
def test_lookup(name: str, found: Found) -> None:
    assert zone(service("web", "127.96.3.4")).lookup(name) == found


def test_apex() -> None:
    assert set(zone().lookup(DOMAIN).sets) == {SOA, NS}


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        (DOMAIN, True),
        (f"x.{DOMAIN}", True),
        (f"x{DOMAIN}", False),
        ("example.com", False),
        ("", False),
        ("4.3.96.127.in-addr.arpa", True),
        ("5.3.96.127.in-addr.arpa", False),
        ("3.96.127.in-addr.arpa", False),
    ],
)
def test_covers(name: str, covered: bool) -> None:
    assert zone(service("web", "127.96.3.4")).covers(name) is covered


def test_update_names_what_changes_and_only_that() -> None:
    made = zone()
    key = ("default", "web")
    svc = service("web")
    one = [slice_of("web", endpoint("127.244.1.2", "web-0"))]
    two = [slice_of("web", endpoint("127.244.1.2", "web-0"), endpoint("127.244.1.3", "web-1"))]
    # The empty non-terminal _tcp comes to exist with the first.
    assert made.update(key, svc, one) == set(records(svc, *one)) | {f"_tcp.{WEB}"}
    assert made.update(key, svc, one) == set()
    assert made.update(key, svc, two) == {
        WEB,
        f"_http._tcp.{WEB}",
        f"web-1.{WEB}",
        "3.1.244.127.in-addr.arpa",
    }
    assert made.update(key, None) == set(records(svc, *two)) | {f"_tcp.{WEB}"}
    for name in (WEB, f"_tcp.{WEB}", "2.1.244.127.in-addr.arpa"):
        assert made.lookup(name) == NOTHING
    assert len(made) == 0
    assert not made.covers("2.1.244.127.in-addr.arpa")


def test_a_pod_behind_two_services_has_two_reverse_names() -> None:
    made = zone()
    pods = [endpoint("127.244.1.2")]
    made.update(("default", "a"), service("a"), [slice_of("a", *pods)])
    made.update(("default", "b"), service("b", ports=[HTTP]), [slice_of("b", *pods)])
    reverse = "2.1.244.127.in-addr.arpa"
    names = tuple(f"127-244-1-2.{name}.default.svc.cluster.local" for name in "ab")
    assert made.lookup(reverse) == Found(True, {PTR: names})
    made.update(("default", "a"), None)
    assert made.lookup(reverse) == Found(True, {PTR: names[1:]})


def test_ipv6_reverse_names_whatever_the_spelling() -> None:
    made = zone()
    made.load(("default", "web"), service("web"), [slice_of("web", endpoint("fd00:0::0001"))])
    found = made.lookup(reverse_name("fd00::1"))
    assert found == Found(True, {PTR: ("fd00-0--0001.web.default.svc.cluster.local",)})
    assert not made.covers("1.0.0.f.ip6.arpa")
    assert not made.covers("x." * 32 + "ip6.arpa")


def test_a_namespace_with_a_service_is_there() -> None:
    made = Zone(DOMAIN, "127.96.0.10")
    assert "default.svc.cluster.local" in made.update(("default", "web"), service("web", "127.96.3.4"))
    assert made.lookup("default.svc.cluster.local") == EMPTY
    assert "default.svc.cluster.local" in made.update(("default", "web"), None)
    assert made.lookup("default.svc.cluster.local") == NOTHING


def test_records_at_hand_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podyard.dns.zone.RECENT_NAMES", 20)
    made = zone(*(service(f"s{number}", f"127.96.4.{number}") for number in range(100)))
    for number in range(100):
        found = made.lookup(f"s{number}.default.svc.cluster.local")
        assert found == Found(True, {A: (f"127.96.4.{number}",)})
        assert sum(map(len, made._recent.values())) == made._recent_names <= 20
    for number in range(100):
        made.update(("default", f"s{number}"), None)
    assert (made._recent_names, made._by_address) == (0, {})


def test_namespaces_come_and_go() -> None:
    made = zone()
    made.add_namespace("new")
    assert made.lookup("new.svc.cluster.local") == EMPTY
    made.remove_namespace("new")
    assert made.lookup("new.svc.cluster.local") == NOTHING
