"""Kept answers: equal to fresh ones, gone when what they were made of changes, bounded."""

from __future__ import annotations

import itertools
import random
import struct
from collections import Counter

import pytest
from dnslib import DNSRecord

from podyard.dns.answers import Answers
from podyard.dns.types import AAAA, PTR, SRV, TXT, A
from podyard.dns.wire import parse

from .conftest import Running, run
from .objects import Object, endpoint, service, slice_of

WEB = "web.default.svc.cluster.local"
PETS = "pets.default.svc.cluster.local"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def query(name: str, kind: int = A, flags: int = 0x0100, additional: bytes = b"", id_: int = 7) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack("!6H", id_, flags, 1, 0, 0, 1 if additional else 0)
    return header + labels + struct.pack("!BHH", 0, kind, 1) + additional


def ask(dns: Running, message: bytes, *, tcp: bool = False) -> bytes:
    got: list[bytes] = []
    assert dns.server.handle(message, got.append, tcp=tcp)
    return got[0]


def change(dns: Running, svc: Object, *slices: Object) -> None:
    key = (svc["metadata"]["namespace"], svc["metadata"]["name"])
    dns.answers.forget(dns.zone.update(key, svc, slices))


def in_order(answer: bytes) -> tuple[bytes, list[tuple[str, int, int, str]]]:
    """All of an answer but the order of the addresses."""
    parsed = DNSRecord.parse(answer)
    records = [(str(one.rname), one.rtype, one.ttl, str(one.rdata)) for one in parsed.rr]
    for part in (parsed.auth, parsed.ar):
        records += [(str(one.rname), one.rtype, one.ttl, str(one.rdata)) for one in part]
    return answer[:12], sorted(records)


def addresses(answer: bytes) -> set[str]:
    return {str(one.rdata) for one in DNSRecord.parse(answer).rr}


NAMES = (
    WEB,
    PETS,
    "big.default.svc.cluster.local",
    f"_http._tcp.{PETS}",
    "inside.default.svc.cluster.local",
    "nowhere.default.svc.cluster.local",
    "4.3.96.127.in-addr.arpa",
    "1-2-3-4.default.pod.cluster.local",
    "cluster.local",
    "dns-version.cluster.local",
    "none.default.svc.cluster.local",
    f"{WEB}.default.svc.cluster.local",
)


@pytest.mark.parametrize("additional", [b"", OPT, b"\0\0\x29\x02\0\0\0\x80\0\0\0"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_kept_answer_is_what_a_fresh_one_would_be(
    dns: Running, name: str, additional: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "shuffle", lambda data: None)
    generator = random.Random(name)
    for kind, flags in itertools.product((A, AAAA, SRV, PTR, TXT, 65, 97, 255), (0x0100, 0, 0x0130)):
        for _ in range(3):
            spelled = "".join(generator.choice((str.lower, str.upper))(letter) for letter in name)
            message = query(spelled, kind, flags, additional, generator.randrange(65536))
            answer = ask(dns, message)
            dns.answers.clear()
            assert in_order(answer) == in_order(ask(dns, message))
            assert answer[12 : 16 + len(name) + 2] == message[12 : 16 + len(name) + 2]


async def test_absence_is_what_dnslib_would_write(dns: Running) -> None:
    answer = DNSRecord.parse(ask(dns, query("No.default.svc.Cluster.local", additional=OPT)))
    assert bytes(answer.pack()) == ask(dns, query("No.default.svc.Cluster.local", additional=OPT))
    assert str(answer.auth[0]) == (
        "Cluster.local.          5       IN      SOA     "
        "ns.dns.Cluster.local. hostmaster.Cluster.local. 1 7200 1800 86400 5"
    )


@pytest.mark.parametrize("additional", [b"", OPT, b"\0\0\x29\x02\0\0\0\x80\0\0\0"])
@pytest.mark.parametrize("name", [WEB, "Web.Default.svc.cluster.LOCAL", PETS, f"pet-0.{PETS}"])
async def test_addresses_are_what_dnslib_would_write(dns: Running, name: str, additional: bytes) -> None:
    change(dns, service("web", "127.96.3.4", clusterIPs=["127.96.3.4", "fd00::3"]))
    for kind in (A, AAAA):
        answer = ask(dns, query(name, kind, additional=additional))
        lower = answer[:12] + answer[12 : 14 + len(name)].lower() + answer[14 + len(name) :]
        assert bytes(DNSRecord.parse(lower).pack()) == lower
        assert answer[12 : 18 + len(name)] == query(name, kind)[12:]


async def test_the_hot_path_answers_as_the_rest_does(dns: Running) -> None:
    for name in (WEB, "none.default.svc.cluster.local"):
        first = await dns.dig(name, "+nocookie", "+qid=7", "+noall", "+answer", "+authority", "+comments")
        assert len(dns.answers.ready) > 0
        again = await dns.dig(name, "+nocookie", "+qid=7", "+noall", "+answer", "+authority", "+comments")
        assert first == again
    assert dns.server.metrics.queries["udp"] == 4
    assert sum(dns.server.metrics.responses.values()) == 4


async def test_who_asks_first_in_capitals_does_not_spell_for_others(dns: Running) -> None:
    await dns.dig(WEB.upper(), "+noedns")
    for spelled in (WEB, WEB.upper(), WEB.title()):
        for _ in range(2):
            assert f";{spelled}. IN A" in await dns.dig(spelled, "+noedns")


async def test_types_65_and_97_are_two(dns: Running) -> None:
    for kind in (65, 97):
        assert DNSRecord.parse(ask(dns, query(WEB, kind))).q.qtype == kind
        assert DNSRecord.parse(ask(dns, query(WEB, kind))).q.qtype == kind
    assert len(dns.answers) == 2


@pytest.mark.parametrize(
    "message",
    [
        query(WEB, additional=OPT[:-2] + b"\0\4\0\x0a\0\0"),  # an option
        query(WEB, additional=OPT) + b"\0",  # bytes that belong to nothing
        query(WEB) + b"\0",
        query(WEB, additional=b"\0\0\x10\0\1\0\0\0\0\0\0"),  # a TXT record
        query(WEB, additional=b"\0\0\x29\x04\xd0\0\1\0\0\0\0"),  # EDNS version 1
        query("we\0b.default.svc.cluster.local"),
        query("example.com"),
    ],
)
async def test_not_kept(dns: Running, message: bytes) -> None:
    ask(dns, message)
    assert len(dns.answers) == 0


async def test_not_kept_before_the_cluster_is_known(dns: Running) -> None:
    dns.responder.ready = False
    assert ask(dns, query(WEB))[3] & 15 == 2
    assert len(dns.answers) == 0


async def test_tcp_does_not_get_what_was_cut_for_udp(dns: Running) -> None:
    big = query("big.default.svc.cluster.local")
    for _ in range(20):
        assert len(ask(dns, big)) <= 512
    assert len(DNSRecord.parse(ask(dns, big, tcp=True)).rr) == 1000
    assert len(ask(dns, big)) <= 512


async def test_a_change_replaces_the_answers_that_it_changes(dns: Running) -> None:
    asked = [query(WEB), query(WEB, AAAA), query(WEB, additional=OPT), query(f"pet-0.{PETS}"), query(PETS)]
    for message in asked * 10:
        ask(dns, message)
    assert len(dns.answers) == 5
    change(dns, service("web", "127.96.9.9"))
    assert len(dns.answers) == 2
    assert addresses(ask(dns, query(WEB))) == {"127.96.9.9"}
    change(dns, service("pets"), slice_of("pets", endpoint("127.244.1.9", "pet-0")))
    assert addresses(ask(dns, query(f"pet-0.{PETS}"))) == {"127.244.1.9"}
    assert addresses(ask(dns, query(PETS))) == {"127.244.1.9"}


async def test_names_that_come_to_be(dns: Running) -> None:
    new, below = "new.default.svc.cluster.local", "x.new.default.svc.cluster.local"
    assert ask(dns, query(new))[3] & 15 == ask(dns, query(below))[3] & 15 == 3
    change(dns, service("new"), slice_of("new", endpoint("127.244.1.9", "x")))
    assert addresses(ask(dns, query(new))) == addresses(ask(dns, query(below))) == {"127.244.1.9"}
    empty = "new2.default.svc.cluster.local"
    assert ask(dns, query(empty))[3] & 15 == 3
    change(dns, service("new2", "127.96.8.8"))
    dns.answers.forget(dns.zone.update(("default", "new2"), None))
    assert ask(dns, query(empty))[3] & 15 == 3


async def test_an_empty_name_above_a_new_one(dns: Running) -> None:
    above = "_tcp.late.default.svc.cluster.local"
    assert ask(dns, query(above))[3] & 15 == 3
    change(dns, service("late", "127.96.8.8"))
    assert ask(dns, query(above))[3] & 15 == 0


async def test_namespaces_come_and_go(dns: Running) -> None:
    pod, space = "1-2-3-4.new.pod.cluster.local", "new.svc.cluster.local"
    for change_, rcode in ((dns.zone.add_namespace, 0), (dns.zone.remove_namespace, 3)):
        for name in (pod, space):
            ask(dns, query(name))
        dns.answers.forget(change_("new"))
        assert [ask(dns, query(name))[3] & 15 for name in (pod, space)] == [rcode, rcode]


async def test_what_an_answer_mentions_counts_too(dns: Running) -> None:
    srv, alias = f"_http._tcp.{PETS}", "inside.default.svc.cluster.local"
    for _ in range(10):
        ask(dns, query(srv, SRV, additional=OPT))
        ask(dns, query(alias))
    change(
        dns,
        service("pets"),
        slice_of("pets", endpoint("127.244.7.7", "pet-0"), endpoint("127.244.1.3", "pet-1")),
    )
    change(dns, service("web", "127.96.9.9"))
    found = DNSRecord.parse(ask(dns, query(srv, SRV, additional=OPT)))
    assert "127.244.7.7" in {str(one.rdata) for one in found.ar}
    assert "127.96.9.9" in addresses(ask(dns, query(alias)))


async def test_whether_recursion_is_to_be_had_is_said_as_it_is_now(dns: Running) -> None:
    assert not ask(dns, query(WEB))[3] & 0x80
    dns.upstreams.append(("127.0.0.1", 9))
    ask(dns, query(PETS))  # any question that has no kept answer
    assert ask(dns, query(WEB))[3] & 0x80


async def test_the_first_address_is_spread_over_all(dns: Running) -> None:
    first = Counter(str(DNSRecord.parse(ask(dns, query(PETS))).rr[0].rdata) for _ in range(400))
    assert set(first) == {"127.244.1.2", "127.244.1.3"}
    assert min(first.values()) > 190


async def test_random_names_do_not_fill_the_memory_nor_push_out_others(dns: Running) -> None:
    dns.server._answers = answers = Answers(generation_bytes=100_000)
    hot = query(WEB)
    kept = ask(dns, hot)
    most = 0
    for number in range(3000):
        assert ask(dns, query(f"random-{number}.default.svc.cluster.local"))[3] & 15 == 3
        if number % 50 == 0:
            assert answers.find(hot[2:]) == kept[2:]
        most = max(most, len(answers))
    assert 50 < most < 500
    assert len(answers._by_name) < 500


async def test_changes_for_ever_leave_nothing_behind(dns: Running) -> None:
    srv = query(f"_http._tcp.{PETS}", SRV)
    for number in range(200):
        for _ in range(8):
            ask(dns, srv)
        pets = (endpoint("127.244.1.2", "pet-0"), endpoint("127.244.1.3", f"pet-{number % 5}"))
        change(dns, service("pets"), slice_of("pets", *pets))
    assert len(dns.answers) <= 1
    assert sum(map(len, dns.answers._by_name.values())) <= 5


def test_a_key_is_as_exact_as_the_question() -> None:
    answers = Answers()
    message = query(WEB)
    answers.keep(parse(message), message, [WEB])
    for other in (
        query(WEB, flags=0),
        query(WEB, 97),
        query(WEB, additional=OPT),
        query(PETS),
        message[:-1],
        b"x",
    ):
        assert answers.find(other[2:]) is None
    assert answers.find(query(WEB.upper())[2:]) == query(WEB.upper())[2:]


async def test_nslookup_of_a_name_with_no_ipv6_address(dns: Running) -> None:
    """NODATA for AAAA is no failure."""
    for _ in range(2):
        output = await run("nslookup", f"-port={dns.port}", WEB, dns.address)
        assert "Address: 127.96.3.4" in output
        assert "can't find" not in output
