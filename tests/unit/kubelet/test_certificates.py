"""When a kubelet asks for its certificates anew."""

from __future__ import annotations

import asyncio
import datetime
import random
from pathlib import Path
from typing import Any

import pytest

from podyard.api.errors import service_unavailable
from podyard.client.signing import KUBELET_CLIENT, KUBELET_SERVING, Wanted
from podyard.kubelet import certificates as module
from podyard.kubelet.certificates import Certificate, lifetime, renewal
from podyard.process import certificates
from podyard.process.certificates import Authority, Terms
from podyard.process.clock import FakeClock

KEY = certificates.new_key()
AUTHORITY = Authority(certificates.self_signed("ca", KEY, 36500), KEY)
SERVING = Wanted("n1", KUBELET_SERVING, ("n1", "10.0.0.1"))


def signed(begins: float, ends: float, *names: str) -> bytes:
    first, last = (datetime.datetime.fromtimestamp(m, datetime.UTC) for m in (begins, ends))
    terms = Terms([certificates.general_name(n) for n in names], [certificates.CLIENT_AUTH], first, last)
    key = certificates.new_key()
    issued = certificates.issue(AUTHORITY, certificates.subject("x"), key.public_key(), terms)
    return certificates.certificate_pem(issued) + certificates.key_pem(key)


@pytest.mark.parametrize(("chance", "at"), [(0.0, 170.0), (0.5, 180.0), (1.0, 190.0)])
def test_a_certificate_is_renewed_in_its_last_third(chance: float, at: float) -> None:
    assert renewal((100.0, 200.0), chance) == pytest.approx(at)


def test_the_lifetime_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pem"
    assert lifetime(file, ()) is None
    file.write_bytes(b"nonsense")
    assert lifetime(file, ()) is None
    file.write_bytes(signed(1000, 2000, "n1", "10.0.0.1"))
    assert lifetime(file, ("10.0.0.1", "n1")) == (1000, 2000)
    assert lifetime(file, ("n1",)) is None
    file.write_bytes(signed(1000, 2000))
    assert lifetime(file, ()) == (1000, 2000)


class Cluster:
    """Signs for a thousand seconds from now, unless it is away."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.away = False
        self.asked: list[float] = []
        self.asked_again = asyncio.Event()

    async def obtain(self, client: Any, wanted: Wanted) -> bytes:
        self.asked.append(self.clock.now())
        self.asked_again.set()
        if self.away:
            raise service_unavailable("away")
        return signed(self.clock.now(), self.clock.now() + 1000, *wanted.names)

    async def once_more(self) -> None:
        await asyncio.wait_for(self.asked_again.wait(), 10)
        self.asked_again.clear()
        await asyncio.sleep(0)


async def test_it_is_kept_young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    monkeypatch.setattr(module, "obtain", cluster.obtain)
    client: Any = None
    file = tmp_path / "serving.pem"
    certificate = Certificate(client, clock, SERVING, file, random.Random(1))
    assert not certificate.is_good()
    keeping = asyncio.create_task(certificate.keep())
    await cluster.once_more()
    assert certificate.is_good()
    assert file.stat().st_mode & 0o777 == 0o600
    start = clock.now()
    clock.advance(699)
    await asyncio.sleep(0)
    assert len(cluster.asked) == 1
    cluster.away = True
    clock.advance(201)
    await cluster.once_more()
    assert 700 <= cluster.asked[1] - start <= 900
    cluster.away = False
    clock.advance(1)  # it tries again, and until then has the old one
    await cluster.once_more()
    assert lifetime(file, SERVING.names) == (start + 901, start + 1901)
    clock.advance(1001)
    await cluster.once_more()
    assert certificate.is_good()
    keeping.cancel()


def test_one_that_has_ended_is_not_good(tmp_path: Path) -> None:
    clock = FakeClock()
    file = tmp_path / "client.pem"
    client: Any = None
    certificate = Certificate(client, clock, Wanted("n1", KUBELET_CLIENT), file, random.Random(1))
    for begins, ends, good in ((-10, 10, True), (-10, 0, False), (10, 20, False)):
        file.write_bytes(signed(clock.now() + begins, clock.now() + ends))
        assert certificate.is_good() is good
