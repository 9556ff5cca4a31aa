from __future__ import annotations

import pytest
from dnslib import CNAME, EDNS0, RR, SOA, A, DNSHeader, DNSQuestion, DNSRecord

from podyard.dns.cache import LONGEST_NO_SECONDS, LONGEST_SECONDS, OVERHEAD_BYTES, Cache, lifetime


def message(
    *ttls: int, soa: tuple[int, int] | None = None, rcode: int = 0, tc: int = 0, additional: int | None = None
) -> bytes:
    """An answer with an address for each TTL; `soa` has the TTL and the minimum of the SOA record."""
    record = DNSRecord(DNSHeader(qr=1, rcode=rcode, tc=tc), q=DNSQuestion("www.example.com"))
    for ttl in ttls:
        record.add_answer(RR("www.example.com", 1, ttl=ttl, rdata=A("192.0.2.1")))
    if soa is not None:
        times = (1, 7200, 1800, 86400, soa[1])
        record.add_auth(RR("example.com", 6, ttl=soa[0], rdata=SOA("ns.example.com", "h.example.com", times)))
    if additional is not None:
        record.add_ar(RR("ns.example.com", 1, ttl=additional, rdata=A("192.0.2.2")))
    record.add_ar(EDNS0(udp_len=1232))
    return bytes(record.pack())


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (message(60), 60),
        (message(60, 20, 90), 20),
        (message(60, additional=7), 7),
        (message(10**6), LONGEST_SECONDS),
        (message(2**31 + 5), 0),
        (message(soa=(20, 900)), 20),
        (message(soa=(900, 10)), 10),
        (message(soa=(900, 900)), LONGEST_NO_SECONDS),
        (message(soa=(15, 900), rcode=3), 15),
        (message(60, soa=(15, 900), rcode=3), 15),
    ],
)
def test_lifetime(answer: bytes, seconds: int) -> None:
    life = lifetime(answer)
    assert life is not None
    assert life.seconds == seconds


@pytest.mark.parametrize(
    "answer",
    [
        message(60, rcode=2),
        message(60, rcode=5),
        message(60, tc=1),
        message(60)[:-1],
        message(60)[:40],
        message(60)[:12],
        message(60).replace(b"\xc0\x0c", b"\x80\x0c"),
    ],
)
def test_what_may_not_be_kept(answer: bytes) -> None:
    assert lifetime(answer) is None


@pytest.mark.parametrize("answer", [message(), message(rcode=3)])
def test_a_no_without_soa_is_not_kept(answer: bytes) -> None:
    cache = Cache(lambda: 0.0)
    cache.put(1, answer)
    assert cache.get(1) is None


def test_ttls_run_down_and_out() -> None:
    now = 100.0
    cache = Cache(lambda: now)
    answer = message(60, 90, soa=(70, 5), additional=80)
    cache.put("key", answer)
    assert cache.get("key") == answer
    now += 20.9
    aged = DNSRecord.parse(cache.get("key") or b"")
    assert [one.ttl for one in (*aged.rr, *aged.auth, aged.ar[0])] == [40, 70, 50, 60]
    now = 159.9
    assert cache.get("key") is not None
    now = 160.0
    assert cache.get("key") is None
    assert len(cache) == 0


def test_compressed_names_are_passed_over() -> None:
    record = DNSRecord(DNSHeader(qr=1), q=DNSQuestion("www.example.com"))
    record.add_answer(RR("www.example.com", 5, ttl=9, rdata=CNAME("a.example.com")))
    record.add_answer(RR("a.example.com", 1, ttl=8, rdata=A("192.0.2.1")))
    life = lifetime(bytes(record.pack()))
    assert life is not None
    assert life.seconds == 8
    assert len(life.ttls) == 2


def test_the_cache_is_bounded_and_drops_what_was_not_asked_for() -> None:
    answer = message(60)
    cache = Cache(lambda: 0.0, most_bytes=10 * (len(answer) + OVERHEAD_BYTES))
    cache.put("hot", answer)
    for number in range(100):
        cache.put(number, answer)
        cache.put(number, answer)  # replaces itself
        assert cache.get("hot") == answer
    assert len(cache) == 10
    assert cache.get(99) == answer
    assert cache.get(89) is None
