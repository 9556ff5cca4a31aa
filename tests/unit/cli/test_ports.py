"""Ports that cannot be had, and who has them."""

from __future__ import annotations

import os
import socket

import pytest

from podyard.cli.cluster import ports
from podyard.cli.cluster.dnsprobe import has_answer, question
from podyard.cli.cluster.processes import Port
from podyard.process.main import UserError


@pytest.mark.parametrize(
    ("kind", "address"), [("tcp", "127.200.0.7"), ("udp", "127.200.0.7"), ("tcp", "0.0.0.0")]
)
def test_the_holder_is_named(kind: str, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        if kind == "tcp":
            sock.listen()
        port = Port("the test", kind, "127.200.0.7", sock.getsockname()[1])
        with pytest.raises(
            UserError, match=rf"of 127\.200\.0\.7 \(the test\) is taken by .*\(pid {os.getpid()}\)"
        ):
            ports.check([port])
    ports.check([port])


def test_a_dns_question_and_its_answer() -> None:
    from dnslib import RR, A, DNSRecord

    asked = DNSRecord.parse(question("kubernetes.default.svc.cluster.local"))
    assert str(asked.q.qname) == "kubernetes.default.svc.cluster.local."
    assert not has_answer(asked.reply().pack())
    reply = asked.reply()
    reply.add_answer(RR("kubernetes.default.svc.cluster.local", rdata=A("127.96.0.1")))
    assert has_answer(reply.pack())
