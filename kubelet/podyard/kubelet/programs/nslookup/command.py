"""The command `nslookup NAME [SERVER]`.

Names are completed by the search list of /etc/resolv.conf as the resolver does (resolv.conf(5)); an
address is looked up in reverse.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from dataclasses import dataclass

from dnslib import QTYPE, RCODE, DNSRecord

TIMEOUT_SECONDS = 2.0
ATTEMPTS = 2
PORT = 53
RESOLV_CONF = "/etc/resolv.conf"
LOCAL = "127.0.0.1"  # whom resolv.conf(5) asks when no server is named


@dataclass(slots=True)
class Resolver:
    """What /etc/resolv.conf says."""

    servers: list[str]
    search: list[str]
    ndots: int


def parse(text: str) -> Resolver:
    """Read the text of a resolv.conf."""
    found = Resolver([], [], 1)
    for words in map(str.split, text.splitlines()):
        if words[:1] == ["nameserver"] and len(words) > 1:
            found.servers.append(words[1])
        elif words[:1] in (["search"], ["domain"]):
            found.search = words[1:]
        elif words[:1] == ["options"]:
            found.ndots = next(
                (int(w[6:]) for w in words if w[:6] == "ndots:" and w[6:].isdigit()), found.ndots
            )
    return found


def candidates(name: str, resolver: Resolver) -> list[str]:
    """The full names to try, in order."""
    if name.endswith("."):
        return [name]
    completed = [f"{name}.{domain}" for domain in resolver.search]
    return [name, *completed] if name.count(".") >= resolver.ndots else [*completed, name]


def ask(server: str, name: str, kind: str) -> list[str]:
    """The data of the answers of one kind, none when there is no such name. OSError: nobody answers."""
    query = DNSRecord.question(name, kind)
    reply = DNSRecord.parse(_exchange(server, query.pack()))
    if reply.header.tc:
        reply = DNSRecord.parse(query.send(server, PORT, tcp=True, timeout=TIMEOUT_SECONDS))
    if reply.header.rcode == RCODE.SERVFAIL:
        raise OSError("the server failed")
    return [str(record.rdata) for record in reply.rr if QTYPE[record.rtype] == kind]


def _exchange(server: str, query: bytes) -> bytes:
    for _ in range(ATTEMPTS):
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(TIMEOUT_SECONDS)
            sock.connect((server, PORT))
            sock.send(query)
            try:
                reply = sock.recv(65535)
                if reply[:2] == query[:2]:
                    return reply
            except TimeoutError:
                continue
    raise TimeoutError("nobody answers")


def lookup(name: str, server: str, resolver: Resolver) -> list[str]:
    """The addresses of a name, or the names of an address."""
    try:
        reverse = ipaddress.ip_address(name).reverse_pointer
    except ValueError:
        for full in candidates(name, resolver):
            found = [*ask(server, full, "A"), *ask(server, full, "AAAA")]
            if found:
                return found
        return []
    return [f"{name} {found.rstrip('.')}" for found in ask(server, reverse, "PTR")]


def main(arguments: list[str]) -> int:
    """Look one name up."""
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
        print("Usage: nslookup [HOST] [SERVER]\n\nQuery the nameserver for the IP address of the given HOST")
        return 1
    with open(RESOLV_CONF, encoding="utf-8") as file:
        resolver = parse(file.read())
    server = (
        socket.gethostbyname(arguments[1]) if len(arguments) == 2 else next(iter(resolver.servers), LOCAL)
    )
    print(f"Server:    {server}\nAddress 1: {server}\n")
    try:
        found = lookup(arguments[0], server, resolver)
    except OSError:
        found = []
    if not found:
        print(f"nslookup: can't resolve '{arguments[0]}'", file=sys.stderr)
        return 1
    print(f"Name:      {arguments[0]}")
    for number, address in enumerate(found, 1):
        print(f"Address {number}: {address}")
    return 0
