from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
from dnslib import EDNS0, QTYPE, RCODE, RR, SOA, A, DNSRecord

from podyard.dns.command import upstream_of
from podyard.dns.forwarding import Forwarder, NoAnswer
from podyard.dns.resolvconf import ResolvConf, nameservers
from podyard.dns.wire import Query, parse
from podyard.process.main import UserError

from .conftest import Running, fresh_address, upstream
from .objects import service


class Zonefile:
    """Answers A with 192.0.2.1 and remembers what it was asked."""

    def __init__(self, address: str = "192.0.2.1", rcode: int = 0) -> None:
        self.asked: list[DNSRecord] = []
        self._address = address
        self._rcode = rcode

    def __call__(self, raw: bytes) -> bytes:
        question = DNSRecord.parse(raw)
        self.asked.append(question)
        reply = question.reply(aa=0)
        reply.header.rcode = self._rcode
        if question.q.qtype == QTYPE.A and not self._rcode:
            reply.add_answer(RR(question.q.qname, QTYPE.A, ttl=60, rdata=A(self._address)))
        return bytes(reply.pack())


def silent(raw: bytes) -> bytes | None:
    return None


async def test_other_names_go_upstream_by_the_clients_transport(dns: Running) -> None:
    zone = Zonefile()
    async with upstream(zone) as where:
        dns.upstreams.append(where)
        assert await dns.short("www.example.com") == ["192.0.2.1"]
        assert await dns.short("www.example.com", "+tcp") == ["192.0.2.1"]
        output = await dns.dig("WWW.example.COM")
    assert ";WWW.example.COM. IN A" in output
    assert "qr rd ra" in output
    assert len(zone.asked) == 2


async def test_reverse_names_of_others_go_upstream(dns: Running) -> None:
    zone = Zonefile()
    async with upstream(zone) as where:
        dns.upstreams.append(where)
        await dns.short("-x", "192.0.2.7")
    assert str(zone.asked[0].q.qname) == "7.2.0.192.in-addr.arpa."


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
async def test_an_external_name_is_followed_outside(dns: Running, transport: str) -> None:
    zone = Zonefile()
    async with upstream(zone, tcp=False) as where:
        dns.upstreams.append(where)
        for _ in range(2):
            answers = await dns.short("outside.default.svc.cluster.local", transport)
    assert len(zone.asked) == 1
    assert answers == ["192.0.2.1", "www.example.com."]
    assert str(zone.asked[0].q.qname) == "www.example.com."


async def test_what_an_external_name_leads_to_may_be_large(dns: Running) -> None:
    zone = Zonefile()

    def cut_off_at_first(raw: bytes) -> bytes:
        reply = DNSRecord.parse(zone(raw))
        if len(zone.asked) == 1:
            reply.header.tc = 1
            reply.rr.clear()
        return bytes(reply.pack())

    async with upstream(cut_off_at_first) as where:
        dns.upstreams.append(where)
        answers = await dns.short("outside.default.svc.cluster.local")
    assert answers == ["192.0.2.1", "www.example.com."]


async def test_names_of_the_cluster_never_go_upstream(dns: Running) -> None:
    zone = Zonefile()
    async with upstream(zone) as where:
        dns.upstreams.append(where)
        for name in (
            "none.default.svc.cluster.local",
            "x.cluster.local",
            "www.example.com.svc.cluster.local",
        ):
            assert "NXDOMAIN" in await dns.dig(name)
    assert zone.asked == []


@pytest.mark.parametrize("first", [silent, Zonefile(rcode=2), Zonefile(rcode=5), lambda raw: b"\0" * 40])
async def test_the_next_upstream_is_asked_when_one_fails(dns: Running, first: Zonefile) -> None:
    async with upstream(first) as bad, upstream(Zonefile()) as good:
        dns.upstreams += [bad, good]
        assert await dns.short("www.example.com") == ["192.0.2.1"]


async def test_one_that_does_not_answer_is_passed_over(dns: Running) -> None:
    asked: list[bytes] = []
    async with upstream(lambda raw: asked.append(raw)) as bad, upstream(Zonefile()) as good:
        dns.upstreams += [bad, good]
        for number in range(5):
            assert await dns.short(f"www{number}.example.com") == ["192.0.2.1"]
    assert len(asked) == 1


async def test_no_upstream_answers(dns: Running) -> None:
    async with upstream(silent) as bad:
        dns.upstreams += [bad, (fresh_address(), 9)]
        for transport in ("+notcp", "+tcp"):
            assert "SERVFAIL" in await dns.dig("www.example.com", transport)


async def test_nxdomain_upstream_is_final(dns: Running) -> None:
    second = Zonefile()
    async with upstream(Zonefile(rcode=3)) as first, upstream(second) as other:
        dns.upstreams += [first, other]
        assert "NXDOMAIN" in await dns.dig("www.example.com")
    assert second.asked == []


async def test_equal_questions_at_once_go_upstream_once(dns: Running) -> None:
    zone = Zonefile()
    async with upstream(zone) as where:
        dns.upstreams.append(where)
        questions = [DNSRecord.question(name) for name in ["www.example.com", "WWW.example.com"] * 20]
        answers: list[bytes] = []
        for question in questions:
            dns.server.handle(bytes(question.pack()), answers.append, tcp=False)
        # 65 (HTTPS) and 97 are "A" and "a": other questions, whatever the case.
        for kind in (65, 97):
            question = DNSRecord.question("www.example.com")
            question.q.qtype = kind
            questions.append(question)
            dns.server.handle(bytes(question.pack()), answers.append, tcp=False)
        await asyncio.gather(*dns.server._tasks)
    assert sorted(one.q.qtype for one in zone.asked) == [1, 65, 97]
    parsed = {one.header.id: one for one in map(DNSRecord.parse, answers)}
    for question in questions:
        assert parsed[question.header.id].q.qname.label == question.q.qname.label
        assert parsed[question.header.id].q.qtype == question.q.qtype


async def test_more_questions_at_once_than_allowed_fail_at_once() -> None:
    asked: list[bytes] = []
    async with upstream(lambda raw: asked.append(raw)) as where:
        forwarder = Forwarder(lambda: [where], timeout=0.2, concurrent=2)
        questions = [query(f"www{number}.example.com") for number in range(2)]
        waiting = [asyncio.create_task(forwarder.ask(one, tcp=False)) for one in questions]
        await asyncio.sleep(0)
        with pytest.raises(NoAnswer, match="too many questions"):
            await forwarder.ask(query("www2.example.com"), tcp=False)
        again = asyncio.create_task(forwarder.ask(questions[1], tcp=False))  # joins the one under way
        for failure in await asyncio.gather(*waiting, again, return_exceptions=True):
            assert str(failure) == "no upstream answers"
        with pytest.raises(NoAnswer, match="no upstream"):
            await forwarder.ask(query("www2.example.com"), tcp=False)
        forwarder.close()


async def test_a_no_is_kept(dns: Running) -> None:
    """As long as its SOA record says (RFC 2308, section 5), for every client, with the time that is left."""
    asked: list[bytes] = []

    def no(raw: bytes) -> bytes:
        asked.append(raw)
        reply = DNSRecord.parse(raw).reply(aa=0)
        reply.header.rcode = RCODE.NXDOMAIN
        soa = SOA("ns.example.com", "host.example.com", (1, 7200, 1800, 86400, 900))
        reply.add_auth(RR("example.com", QTYPE.SOA, ttl=20, rdata=soa))
        return bytes(reply.pack())

    async with upstream(no) as where:
        dns.upstreams.append(where)
        for name in ("none.example.com", "NONE.example.com", "none.example.com"):
            output = await dns.dig(name)
            assert "status: NXDOMAIN" in output
            assert re.search(r"^example\.com\. (20|1\d) IN SOA ns\.example\.com\. ", output, re.MULTILINE)
    assert len(asked) == 1


def query(name: str) -> Query:
    """A client's question for its addresses."""
    return parse(bytes(DNSRecord.question(name).pack()))


async def test_an_upstream_that_asks_us_again_makes_no_loop(dns: Running) -> None:
    dns.upstreams.append((dns.address, dns.port))
    for _ in range(2):
        output = await dns.dig("www.example.com")
        assert "SERVFAIL" in output or "REFUSED" in output
    assert dns.server.metrics.queries["udp"] <= 6


async def test_an_upstream_that_asks_us_again_is_found_out(
    dns: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """It asks us by way of another, which changes what it asks, as resolvers do."""

    async def round_again(raw: bytes) -> None:
        changed = DNSRecord.parse(raw)
        changed.header.id = len(asked)
        changed.add_ar(EDNS0(udp_len=4096 + len(asked)))
        dns.server.handle(bytes(changed.pack()), lambda answer: None, tcp=False)

    asked: list[bytes] = []
    tasks = []

    class Router(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.append(data)
            tasks.append(asyncio.create_task(round_again(data)))

    where = (fresh_address(), 5300)
    router, _ = await asyncio.get_running_loop().create_datagram_endpoint(Router, where)
    async with upstream(Zonefile()) as good:
        dns.upstreams += [where, good]
        assert await dns.short("www.example.com") == ["192.0.2.1"]
        await asyncio.gather(*tasks)
        before = len(asked)
        assert await dns.short("www2.example.com") == ["192.0.2.1"]
        assert len(asked) == before < 10
    router.close()
    assert [record.message for record in caplog.records if "asks us" in record.message] == [
        f"upstream {where[0]}:5300 asks us what we ask it: it is not asked any more"
    ]


async def test_answers_are_kept_until_the_upstreams_are_others(dns: Running) -> None:
    zone, other = Zonefile(), Zonefile("192.0.2.9")
    async with upstream(zone) as first, upstream(other) as second:
        dns.upstreams.append(first)
        for _ in range(3):
            assert await dns.short("www.example.com") == ["192.0.2.1"]
        assert len(zone.asked) == 1
        dns.upstreams[:] = [second]
        assert await dns.short("www.example.com") == ["192.0.2.9"]
    dns.upstreams.clear()
    assert "REFUSED" in await dns.dig("www.example.com")


async def test_a_name_that_becomes_ours_is_not_answered_from_what_is_kept(dns: Running) -> None:
    async with upstream(Zonefile(rcode=3)) as where:
        dns.upstreams.append(where)
        assert await dns.short("-x", "127.96.9.9") == []
        dns.answers.forget(dns.zone.update(("default", "new"), service("new", "127.96.9.9")))
        assert await dns.short("-x", "127.96.9.9") == ["new.default.svc.cluster.local."]


async def test_edns_options_do_not_go_upstream(dns: Running) -> None:
    """They are between neighbours, so every client gets what another was told."""
    zone = Zonefile()
    async with upstream(zone) as where:
        dns.upstreams.append(where)
        assert "192.0.2.1" in await dns.dig("www.example.com", "+cookie=0123456789abcdef")
        assert "192.0.2.1" in await dns.dig("www.example.com", "+subnet=192.0.2.0/24")
    (asked,) = zone.asked
    assert [one.rdata for one in asked.ar] == [[]]


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\nnameserver 192.0.2.2\n", [("192.0.2.1", 53), ("192.0.2.2", 53)]),
        ("# nameserver 192.0.2.1\nsearch example.com\nnameserver\n", []),
        ("nameserver 127.96.0.10\nnameserver fe80::1%eth0", [("fe80::1", 53)]),
        ("", []),
    ],
)
def test_nameservers(text: str, servers: list[tuple[str, int]]) -> None:
    assert nameservers(text, {"127.96.0.10"}) == servers


def test_resolv_conf_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podyard.dns.resolvconf.LOOK_SECONDS", 0.0)
    file = tmp_path / "resolv.conf"
    source = ResolvConf(str(file), ())
    assert source() == []
    file.write_text("nameserver 192.0.2.1")
    assert source() == [("192.0.2.1", 53)]
    file.write_text("nameserver 192.0.2.2")
    os.utime(file, ns=(1, 1))
    assert source() == [("192.0.2.2", 53)]
    file.unlink()
    assert source() == [("192.0.2.2", 53)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("fd00::1", ("fd00::1", 53)),
        ("[fd00::1]:5353", ("fd00::1", 5353)),
    ],
)
def test_upstream_argument(text: str, expected: tuple[str, int]) -> None:
    assert upstream_of(text) == expected


@pytest.mark.parametrize("text", ["example.com", "192.0.2.1:x", "192.0.2.1:0", "", "192.0.2.1:99999"])
def test_wrong_upstream_argument(text: str) -> None:
    with pytest.raises(UserError, match="--upstream"):
        upstream_of(text)
