"""Load for a DNS server on this machine: as much as it takes, one query at a time, and dnsperf's."""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from podyard.dns.datagrams import SLOTS, Datagrams

SOCKETS = 3
"""With SLOTS queries under way on each."""
LOST_SECONDS = 1.0
"""A query that has no answer after this time is lost."""

A, AAAA = 1, 28
Address = tuple[str, int]
Check = tuple[bytes, bytes]
"""A query without its id, and what its answer has to end in: see `checked`."""


def query(name: str, kind: int = A) -> bytes:
    """A query without its id, as glibc asks: recursion desired, no EDNS."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!5H", 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def address_check(name: str, address: str) -> Check:
    """Ask for a name's A record and expect this address."""
    return query(name), socket.inet_aton(address)


def absence_check(name: str) -> Check:
    """Ask for a name that does not exist."""
    return query(name), b""


def is_right(answer: bytes, check: Check) -> bool:
    """Whether `answer`, a whole message, says what is expected: this one address, or NXDOMAIN."""
    asked, address = check
    end = 2 + len(asked)
    if answer[12:end] != asked[10:] or not answer[2] & 0x80:
        return False
    if not address:
        return answer[3] & 15 == 3
    name = asked[10:-4]
    begin = end + (2 if answer[end : end + 1] == b"\xc0" else len(name))  # CoreDNS repeats the name
    return (
        answer[3] & 15 == 0
        and answer[6:8] == b"\0\1"
        and answer[end:begin] in (b"\xc0\x0c", name)
        and answer[begin : begin + 4] == b"\0\1\0\1"
        and answer[begin + 8 : begin + 14] == b"\0\4" + address
    )


@dataclass
class Flood:
    """What came back of a flood."""

    answered: int = 0
    wrong: int = 0
    lost: int = 0
    seconds: float = 0.0
    """Of wall time."""
    server_seconds: float = 0.0
    """Of the server's processor time."""

    @property
    def per_second(self) -> float:
        """Right answers a second."""
        return self.answered / self.seconds

    @property
    def processor_microseconds(self) -> float:
        """The server's processor time for one answer."""
        return self.server_seconds / self.answered * 1e6


@dataclass
class _Lane:
    """One socket and the queries that are under way on it, by slot; an id is the turn and the slot."""

    datagrams: Datagrams
    sock: socket.socket
    asked: list[Check] = field(default_factory=list)
    turn: int = 0
    open: int = 0
    since: float = 0.0


def flood(address: Address, checks: Sequence[Check], seconds: float, pid: int) -> Flood:
    """Keep SOCKETS times SLOTS queries under way for some seconds; every answer is looked at."""
    result = Flood()
    source = cycle(checks)
    lanes = {}
    poll = select.epoll()
    for _ in range(SOCKETS):
        lane = _lane(address)
        lanes[lane.sock.fileno()] = lane
        poll.register(lane.sock.fileno(), select.EPOLLIN)
    began, used = time.perf_counter(), processor_seconds(pid)
    for lane in lanes.values():
        _send(lane, source)
    while (now := time.perf_counter()) < began + seconds:
        for number, _ in poll.poll(0.1):
            _collect(lanes[number], result, source)
        for lane in lanes.values():
            if now - lane.since > LOST_SECONDS:
                result.lost += lane.open
                _send(lane, source)
    result.seconds = time.perf_counter() - began
    result.server_seconds = processor_seconds(pid) - used
    for lane in lanes.values():
        lane.sock.close()
    poll.close()
    return result


def _lane(address: Address) -> _Lane:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("127.0.0.1", 0))
    return _Lane(Datagrams(sock, [address] * SLOTS), sock)


def _send(lane: _Lane, source: Iterator[Check]) -> None:
    datagrams = lane.datagrams
    lane.asked = list(islice(source, SLOTS))
    lane.turn = (lane.turn + 1) % 256
    for slot, (asked, _) in enumerate(lane.asked):
        start, size = datagrams.starts[slot], len(asked) + 2
        datagrams.bytes[start : start + size] = bytes([lane.turn, slot]) + asked
    datagrams.resize([len(asked) + 2 for asked, _ in lane.asked])
    lane.open = SLOTS
    lane.since = time.perf_counter()
    datagrams.send(0, SLOTS)


def _collect(lane: _Lane, result: Flood, source: Iterator[Check]) -> None:
    datagrams = lane.datagrams
    for start, size in zip(datagrams.starts, datagrams.receive(), strict=False):
        answer = datagrams.bytes[start : start + size]
        if answer[0] != lane.turn:
            continue  # it was lost, and now it is late
        if is_right(answer, lane.asked[answer[1]]):
            result.answered += 1
        else:
            result.wrong += 1
        lane.open -= 1
    if lane.open <= 0:
        _send(lane, source)


def ask(sock: socket.socket, check: Check) -> float:
    """Ask on a connected socket; the seconds to the answer. Raises OSError, ValueError if it is wrong."""
    message = os.urandom(2) + check[0]
    began = time.perf_counter()
    sock.send(message)
    answer = sock.recv(4096)
    while answer[:2] != message[:2]:  # one that was lost, and now it is late
        answer = sock.recv(4096)
    seconds = time.perf_counter() - began
    if not is_right(answer, check):
        raise ValueError(f"a wrong answer: {answer.hex()}")
    return seconds


def lone(address: Address, checks: Sequence[Check], count: int, seconds: float) -> list[float]:
    """Ask `count` times, or for so long, each when the last is answered; what each took, sorted.

    One that is lost counts as LOST_SECONDS.
    """
    taken = []
    end = time.perf_counter() + seconds
    with connected(address) as sock:
        for check in islice(cycle(checks), count):
            try:
                taken.append(ask(sock, check))
            except TimeoutError:
                taken.append(LOST_SECONDS)
            if time.perf_counter() > end:
                break
    return sorted(taken)


def connected(address: Address, patience: float = LOST_SECONDS) -> socket.socket:
    """A socket for `ask`, which raises TimeoutError after `patience` seconds."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(patience)
    sock.connect(address)
    return sock


def percentile(ordered: Sequence[float], part: float) -> float:
    """A percentile of sorted numbers, `part` from 0 to 1."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def start_dnsperf(address: Address, names: Path, seconds: float, most: int = 0) -> subprocess.Popen[str]:
    """dnsperf with this file of "NAME TYPE" lines; at `most` so many queries a second."""
    command = ["dnsperf", "-s", address[0], "-p", str(address[1]), "-d", str(names)]
    command += ["-l", str(seconds), "-c", "8", "-q", "200", *(["-Q", str(most)] if most else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def dnsperf_result(process: subprocess.Popen[str]) -> tuple[float, int]:
    """Queries a second, and how many were lost."""
    output, _ = process.communicate()
    rate = re.search(r"Queries per second:\s+([0-9.]+)", output)
    lost = re.search(r"Queries lost:\s+([0-9]+)", output)
    if rate is None or lost is None:
        raise ValueError(f"dnsperf said: {output}")
    return float(rate[1]), int(lost[1])


def processor_seconds(pid: int) -> float:
    """Processor time that a process and its descendants have had, to the nanosecond (proc(5))."""
    total = 0
    for one in (pid, *_descendants(pid)):
        for task in Path(f"/proc/{one}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield int(child)
            yield from _descendants(int(child))
